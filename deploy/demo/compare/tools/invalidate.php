<?php
// What lies in a release; this script is none of that.
foreach (array_keys(opcache_get_status(true)['scripts']) as $path) {
	if (strpos($path, '/releases/') !== false) {
		opcache_invalidate($path, true);
	}
}
