package source

import "strings"

// resolveURL resolves a submodule's address against its parent's, as git does:
// only one that begins with ./ or ../ is relative, and each .. takes off one
// element of the parent's address, also behind the colon of host:path.
func resolveURL(parent, address string) string {
	if !strings.HasPrefix(address, "./") && !strings.HasPrefix(address, "../") {
		return address
	}
	base := strings.TrimRight(parent, "/")
	for {
		switch {
		case strings.HasPrefix(address, "./"):
			address = address[len("./"):]
		case strings.HasPrefix(address, "../"):
			address = address[len("../"):]
			base = chopLast(base)
		default:
			return joinURL(base, strings.TrimSuffix(address, "/"))
		}
	}
}

// chopLast keeps a colon, so that what is appended stays behind the host.
func chopLast(base string) string {
	if slash := strings.LastIndexByte(base, '/'); slash >= 0 {
		return base[:slash]
	}
	if colon := strings.LastIndexByte(base, ':'); colon >= 0 {
		return base[:colon+1]
	}
	return base
}

func joinURL(base, rest string) string {
	if strings.HasSuffix(base, ":") && !strings.Contains(base, "/") {
		return base + rest
	}
	return base + "/" + rest
}
