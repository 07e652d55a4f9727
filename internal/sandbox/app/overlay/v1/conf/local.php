<?php
$conf['savedir']     = $_SERVER['WIKI_DATA'];
$conf['title']       = isset($_SERVER['WIKI_TITLE']) ? $_SERVER['WIKI_TITLE'] : 'Wiki';
$conf['useacl']      = 0;
$conf['updatecheck'] = 0; // no calls home
$conf['gzip_output'] = 0;
