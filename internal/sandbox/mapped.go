package sandbox

import "fmt"

// MapDirectives are Site.Directives of an Apache that sends real paths: a
// RewriteMap leads from the instance to the release. The site's DocumentRoot is
// the releases folder then.
//
// The target begins with a literal path, or Apache would put DocumentRoot before
// it (2.4.60). An internal redirect, such as one of a .htaccess, carries the
// release already.
func MapDirectives(file, instance, releases, docroot string) []string {
	return []string{
		"RewriteEngine On",
		fmt.Sprintf("RewriteMap relink %s", quote("txt:"+file)),
		`RewriteCond "%{ENV:REDIRECT_STATUS}" "^$"`,
		fmt.Sprintf(`RewriteCond "${relink:%s}" "^(.+)$"`, instance),
		fmt.Sprintf(`RewriteRule "^/(.*)$" %s [E=REL:%%1]`, quote(releases+"/%1/"+docroot+"/$1")),
		fmt.Sprintf(`ProxyFCGISetEnvIf "true" DOCUMENT_ROOT %s`, quote(releases+"/%{reqenv:REL}/"+docroot)),
		fmt.Sprintf(`ProxyFCGISetEnvIf "-n reqenv('REDIRECT_REL')" DOCUMENT_ROOT %s`, quote(releases+"/%{reqenv:REDIRECT_REL}/"+docroot)),
	}
}
