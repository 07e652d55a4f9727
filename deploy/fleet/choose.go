package fleet

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"relink/internal/exit"
	"relink/internal/ui"
)

// Choice is which hosts a rollout is for.
type Choice struct {
	Hosts  []string // by name; none: all
	Labels []string // KEY=VALUE, all of which a host has to have
	App    string   // that they have to have
}

// Choose gives the names of the hosts, sorted. all tells that none was left out; idle are those
// left out because they have no instance of the application.
func Choose(c Choice, hosts map[string]Host) (names, idle []string, all bool, err error) {
	for _, name := range c.Hosts {
		host, there := hosts[name]
		on, has := host.Apps[c.App]
		switch {
		case !there:
			return nil, nil, false, exit.Usagef("no host %q is in the fleet", name)
		case !has:
			return nil, nil, false, exit.Usagef("host %s does not have the application %s", name, c.App)
		case on.Idle():
			return nil, nil, false, exit.Usagef("host %s has no instance of %s", name, c.App)
		}
	}
	for _, label := range c.Labels {
		if key, _, ok := strings.Cut(label, "="); !ok || key == "" {
			return nil, nil, false, exit.Usagef("--label %q is not KEY=VALUE", label)
		}
	}
	all = true
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		on, has := hosts[name].Apps[c.App]
		switch chosen := c.fits(name, hosts[name].Labels); {
		case !has:
		case chosen && on.Idle():
			idle = append(idle, name)
		case chosen:
			names = append(names, name)
		default:
			all = false
		}
	}
	if len(names) == 0 {
		return nil, nil, false, exit.Usagef("no host of the fleet that was chosen has an instance of %s", c.App)
	}
	return names, idle, all, nil
}

// fits tells whether a host was chosen by its name and has all the labels.
func (c Choice) fits(name string, labels map[string]string) bool {
	for _, label := range c.Labels {
		key, value, _ := strings.Cut(label, "=")
		if has, is := labels[key]; !is || has != value {
			return false
		}
	}
	return len(c.Hosts) == 0 || slices.Contains(c.Hosts, name)
}

// Waves reads "1,10%,rest": how many of the hosts have cut over once each wave has. Each
// wave adds what it names, the last all that are left. None means one wave.
func Waves(text string, hosts int) ([]int, error) {
	if text == "" {
		return nil, nil
	}
	var waves []int
	sum := 0
	for _, word := range strings.Split(text, ",") {
		n, err := waveSize(strings.TrimSpace(word), hosts)
		if err != nil {
			return nil, exit.Usagef("--waves %q: %w", text, err)
		}
		if sum = min(sum+n, hosts); len(waves) > 0 && waves[len(waves)-1] == sum {
			break // fewer hosts than the waves were made for
		}
		waves = append(waves, sum)
	}
	if sum < hosts {
		return nil, exit.Usagef("--waves %q: %s of %d left over; end it with rest", text, ui.Plural(hosts-sum, "host"), hosts)
	}
	return waves, nil
}

func waveSize(word string, hosts int) (int, error) {
	if word == "rest" {
		return hosts, nil
	}
	number, percent := strings.CutSuffix(word, "%")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || percent && n > 100 {
		return 0, fmt.Errorf("%q is no number of hosts, no share such as 10%%, and not rest", word)
	}
	if percent {
		n = int(math.Ceil(float64(hosts) * float64(n) / 100))
	}
	return n, nil
}

// StandingQuorum is what a rule that holds for all rollouts means for one to these hosts: a
// number that is larger than they are means all of them.
func StandingQuorum(rule string, hosts int) (int, error) {
	if n, err := strconv.Atoi(rule); err == nil && n > hosts {
		return hosts, nil
	}
	return Quorum(rule, hosts)
}

// Quorum reads how many hosts have to come along: a number, a share, or all.
func Quorum(text string, hosts int) (int, error) {
	if text == "all" || text == "" {
		return hosts, nil
	}
	n, err := waveSize(text, hosts)
	if err != nil || n > hosts || text == "rest" {
		return 0, exit.Usagef("quorum %q: give a number up to %d, a share such as 80%%, or all", text, hosts)
	}
	return n, nil
}
