package php

// maxBody bounds the paths of one request, in bytes, so that no post_max_size in
// practice swallows it.
const maxBody = 224 << 10

// chunk cuts list into parts of at most about size bytes and most entries.
func chunk(list []string, size, most int) [][]string {
	var parts [][]string
	from, bytes := 0, 0
	for i, s := range list {
		bytes += len(s) + 3
		if i > from && (bytes > size || i-from >= most) {
			parts = append(parts, list[from:i])
			from, bytes = i, len(s)+3
		}
	}
	if from < len(list) {
		parts = append(parts, list[from:])
	}
	return parts
}
