<?php
// DokuWiki reads this first. One release serves many wikis: the configuration
// of the application lies in the release, what belongs to one wiki (its pages,
// caches and title) outside, named by the virtual host's environment.
if (!isset($_SERVER['WIKI_DATA'])) {
    http_response_code(500);
    exit('WIKI_DATA is not set for this virtual host');
}
define('DOKU_CONF', dirname(__DIR__, 2) . '/conf/');

// As DokuWiki's default, without the E_STRICT that PHP 8.4 deprecates.
define('DOKU_E_LEVEL', E_ALL & ~E_NOTICE & ~E_DEPRECATED);

// A reader without a cookie needs no session; each would leave a file behind.
if (!isset($_COOKIE['DokuWiki'])) define('NOSESSION', true);
