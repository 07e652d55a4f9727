<?php
$status = opcache_get_status(false);
$s = $status['opcache_statistics'];
$m = $status['memory_usage'];
echo json_encode([
	'Misses' => $s['misses'],
	'Used' => $m['used_memory'] + $m['wasted_memory'],
	'Started' => max($s['start_time'], $s['last_restart_time']),
]);
