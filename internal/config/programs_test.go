package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProgramsThatALineNames(t *testing.T) {
	for line, want := range map[string][]string{
		"":                                nil,
		"composer install":                nil,
		"./build.sh /data":                nil,
		"cp /etc/app.env .env":            nil,
		"make > /var/log/build.log":       nil,
		"/opt/tool --fast":                {"/opt/tool"},
		"cd sub && /opt/tool":             {"/opt/tool"},
		"A=1 B=2 /opt/tool":               {"/opt/tool"},
		`"/opt/my tool" x`:                {"/opt/my tool"},
		`/opt/my\ tool`:                   {"/opt/my tool"},
		"sh /opt/a.sh; php /opt/b.php":    {"/opt/a.sh", "/opt/b.php"},
		"/usr/bin/php8.2 -d x=1 /opt/c":   {"/usr/bin/php8.2", "/opt/c"},
		"php artisan /opt/data":           {},
		". /opt/env.sh":                   {"/opt/env.sh"},
		"bash -e -c '/opt/tool && true'":  {"/opt/tool"},
		"echo $(/opt/tool)":               {"/opt/tool"},
		"echo \"`/opt/tool`\"":            {"/opt/tool"},
		"echo '$(/opt/tool)'":             nil,
		"nice -n 5 /opt/tool":             {"/opt/tool"},
		"timeout 30s env X=1 /opt/tool":   {"/opt/tool"},
		"if /opt/tool; then /opt/two; fi": {"/opt/tool", "/opt/two"},
		"runuser -u build -- /home/b/x":   nil,
		"/opt/a/../b":                     {"/opt/b"},
	} {
		var got []string
		for _, command := range simpleCommands(line) {
			got = append(got, namedPrograms(command)...)
		}
		if diff := cmp.Diff(append([]string{}, want...), append([]string{}, got...)); diff != "" {
			t.Errorf("%s: %s", line, diff)
		}
	}
}
