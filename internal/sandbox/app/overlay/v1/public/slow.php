<?php
// A request that is in flight for ?s= seconds and includes a file of its
// release only then, as an export or a report does.
header('X-App-Release: @RELEASE@');
$seconds = isset($_GET['s']) ? min(600, max(0, (float) $_GET['s'])) : 1;
usleep((int) ($seconds * 1000000));
$part = require __DIR__ . '/slow-part.php';
echo 'release @RELEASE@ part ', $part;
