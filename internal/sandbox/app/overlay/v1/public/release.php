<?php
// The cheapest page: says which release answered.
header('X-App-Release: @RELEASE@');
echo 'release @RELEASE@';
