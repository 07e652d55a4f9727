package propose

import (
	"fmt"
	"strings"
)

const placeholder = "{instance}"

func (i Instance) check() string { return checkOf(i.URL, i.Host) }

func checkOf(url, host string) string {
	if host == "" {
		return fmt.Sprintf("{url: %s}", quote(url))
	}
	return fmt.Sprintf("{url: %s, host: %s}", quote(url), quote(host))
}

// commonCheck is one check for all instances, where their hosts follow a
// pattern; all tells whether each would pass it now.
func (a App) commonCheck() (check string, all bool) {
	host, fits := a.hostPattern()
	if !fits || len(a.Instances) == 0 {
		return "", false
	}
	all = true
	for _, i := range a.Instances {
		if i.URL != a.Instances[0].URL || strings.HasPrefix(i.URL, "https:") {
			return "", false
		}
		all = all && i.Status == 200
	}
	url := a.Instances[0].URL
	if url == "" {
		url = "http://127.0.0.1/"
	}
	return checkOf(url, host), all
}

// hostPattern is {instance}.example.org for hosts that are made so of the names.
func (a App) hostPattern() (pattern string, fits bool) {
	for _, i := range a.Instances {
		before, after, found := strings.Cut(i.Host, i.Name)
		own := before + placeholder + after
		if !found || pattern != "" && own != pattern {
			return "", false
		}
		pattern = own
	}
	return pattern, pattern != ""
}
