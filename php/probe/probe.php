<?php
/*
 * relink put this file here. It tells relink which PHP runs this site and which
 * release it runs, and it answers nobody else: without the token, of which only a
 * digest stands below, this file is a missing page. PHP 7.4 to 8.5.
 *
 * It declares no class and no function, so that OPcache can compile the ones of
 * two releases in one request. It does not clear PHP's caches of paths either: it
 * is to be as stale as the pages are. Strings that are not UTF-8 travel as "\0"
 * followed by base64.
 */
(static function (string $digest, string $agentDir): void {
    $warned = '';
    set_error_handler(static function (int $level, string $message) use (&$warned): bool {
        $warned = $message;
        return true;
    });
    $header = static function (string $name): string {
        $name = 'HTTP_X_RELINK_' . $name;
        if (isset($_SERVER[$name])) {
            return (string) $_SERVER[$name];
        }
        // With variables_order lacking "S", $_SERVER is empty.
        return function_exists('getenv') ? (string) getenv($name) : '';
    };
    // What an auto_prepend_file has buffered would change or swallow the answer.
    for ($left = ob_get_level(); $left > 0 && ob_end_clean(); $left--) {
    }
    $nonce = $header('NONCE');
    if (!hash_equals($digest, hash('sha256', $header('TOKEN'))) || !preg_match('/^[0-9a-f]{32}$/D', $nonce)) {
        header_remove();
        http_response_code(404);
        exit;
    }
    header('Cache-Control: no-store');
    http_response_code(200);
    $send = static function (array $answer) use ($nonce): void {
        foreach ($answer as &$value) {
            if (is_string($value) && !preg_match('//u', $value)) {
                $value = "\0" . base64_encode($value);
            }
        }
        $json = (string) json_encode($answer, JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE);
        echo "\nRELINKP1:", $nonce, ':', strlen($json), ':', hash('crc32b', $json), "\n", $json, "\n";
        flush();
        exit;
    };

    $op = $header('OP');
    if ($op !== '') {
        $agent = $header('AGENT');
        if (!preg_match('/^relink-agent-[0-9a-f]{16}\.php$/D', $agent)) {
            $send(['refused' => 'name']);
        }
        $file = $agentDir . '/' . $agent;
        if (!is_readable($file)) {
            $why = file_exists($file) ? 'unreadable' : 'missing';
            $send(['refused' => strpos($warned, 'open_basedir') !== false ? 'open_basedir' : $why, 'file' => $file]);
        }
        // A request can bring variables into being, a constant it cannot.
        define('RELINK_DOOR', [$op, $nonce]);
        require $file;
        exit;
    }

    $ini = static function (string $name): string {
        return function_exists('ini_get') ? (string) ini_get($name) : '';
    };
    $flag = static function (string $name) use ($ini): bool {
        return filter_var($ini($name), FILTER_VALIDATE_BOOLEAN);
    };
    // False with a warning where opcache.restrict_api forbids it, null where PHP 7.4 has it disabled.
    $status = function_exists('opcache_get_status') ? opcache_get_status(false) : false;
    $readsUserIni = in_array(PHP_SAPI, ['fpm-fcgi', 'cgi-fcgi', 'litespeed'], true);
    $send([
        'file' => __FILE__,
        'filename' => (string) ($_SERVER['SCRIPT_FILENAME'] ?? ''),
        'document_root' => (string) ($_SERVER['DOCUMENT_ROOT'] ?? ''),
        'context_root' => (string) ($_SERVER['CONTEXT_DOCUMENT_ROOT'] ?? ''),
        'script_name' => (string) ($_SERVER['SCRIPT_NAME'] ?? ''),
        'sapi' => PHP_SAPI,
        'php' => PHP_VERSION,
        'thread_safe' => (bool) PHP_ZTS,
        'pid' => function_exists('getmypid') ? (int) getmypid() : 0,
        'parent' => function_exists('posix_getppid') ? (int) posix_getppid() : 0,
        'cache_start' => (int) ($status['opcache_statistics']['start_time'] ?? 0),
        'revalidate_path' => $flag('opcache.revalidate_path'),
        'validate_timestamps' => $flag('opcache.validate_timestamps'),
        'user_ini' => $readsUserIni ? $ini('user_ini.filename') : '',
    ]);
})('{TOKEN_SHA256}', '{AGENT_DIR}');
