<?php
/*
 * The relink agent: answers questions about OPcache and does its cache work from
 * inside a PHP worker. relink installs and calls it; nothing else needs to.
 *
 * It only obeys callers that can set FastCGI parameters (a web client's headers
 * arrive as HTTP_*, so it cannot send RELINK_OP, and every web request has a Host)
 * and the probe, which has seen relink's token and defines a constant, as no
 * request can.
 *
 * Strings that are not UTF-8 travel as "\0" followed by base64, both ways: no path
 * can begin with a NUL byte. PHP 7.4 to 8.5.
 */
final class RelinkAgent
{
    /** What can be asked for: [method, it needs OPcache, a fatal error leaves its result]. */
    private const OPERATIONS = [
        'ping' => ['ping', false, false],
        'sweep' => ['sweep', false, false],
        'siblings' => ['siblings', false, false],
        'configuration' => ['configuration', true, false],
        'status' => ['status', true, false],
        'scripts' => ['scripts', true, false],
        'holdings' => ['holdings', true, false],
        'invalidate-below' => ['invalidateBelow', true, false],
        'invalidate' => ['invalidate', true, false],
        'compile' => ['compile', true, true],
        'reset' => ['reset', true, false],
        'apcu' => ['apcu', false, false],
    ];

    private static string $nonce = '';
    private static string $op = '';
    private static array $result = [];
    private static ?array $error = null;
    private static array $warnings = [];
    private static bool $sent = false;
    private static ?string $reserve = null;

    public static function main(): void
    {
        [self::$op, self::$nonce] = self::order();
        if (self::$op === '' || !preg_match('/^[0-9a-f]{32}$/D', self::$nonce)) {
            header('HTTP/1.1 404 Not Found', true, 404);
            exit;
        }
        try {
            self::prepare();
            self::run();
        } catch (Throwable $e) {
            self::$error = self::$error ?? self::describe($e);
        }
        self::send();
        exit;
    }

    /** @return array [operation, nonce]; an empty operation for whom it does not obey */
    private static function order(): array
    {
        if (defined('RELINK_DOOR')) {
            return RELINK_DOOR;
        }
        return [self::param('HTTP_HOST') === '' ? self::param('RELINK_OP') : '', self::param('RELINK_NONCE')];
    }

    /** What a fatal error left: the envelope must go out even then. */
    public static function finish(): void
    {
        if (self::$sent) {
            return;
        }
        self::$reserve = null;
        $last = error_get_last();
        $text = $last ? $last['message'] . ' in ' . $last['file'] . ':' . $last['line'] : 'the agent was ended by another script';
        self::$error = ['code' => 'fatal', 'message' => $text];
        if (!(self::OPERATIONS[self::$op][2] ?? false)) {
            self::$result = [];
        }
        self::send();
    }

    public static function warned(int $level, string $message): bool
    {
        // PHP 7.4 warns where PHP 8 throws "undefined function".
        if (preg_match('/^(\w+)\(\) has been disabled/', $message, $m)) {
            self::fail('function', $m[1]);
        }
        if (count(self::$warnings) < 20) {
            self::$warnings[] = $message;
        }
        return true;
    }

    private static function param(string $name): string
    {
        if (isset($_SERVER[$name])) {
            return (string) $_SERVER[$name];
        }
        // With variables_order lacking "S", $_SERVER is empty.
        return function_exists('getenv') ? (string) getenv($name) : '';
    }

    private static function prepare(): void
    {
        self::$reserve = str_repeat(' ', 131072);
        register_shutdown_function([self::class, 'finish']);
        set_error_handler([self::class, 'warned']);
        if (!function_exists('getmypid')) {
            self::fail('function', 'getmypid');
        }
        // Optional: a pool may have locked or disabled these functions.
        if (function_exists('ini_set')) {
            ini_set('display_errors', '0');
            ini_set('html_errors', '0');
            ini_set('memory_limit', '-1');
        }
        if (function_exists('set_time_limit')) {
            set_time_limit(0);
        }
        self::$warnings = [];
    }

    private static function run(): void
    {
        $in = self::input();
        if (!isset(self::OPERATIONS[self::$op])) {
            self::fail('operation', self::$op);
        }
        [$method, $needsOPcache] = self::OPERATIONS[self::$op];
        self::$method($in, $needsOPcache ? self::requireOPcache() : []);
    }

    private static function input(): array
    {
        $expected = (int) self::param('CONTENT_LENGTH');
        if ($expected === 0) {
            return [];
        }
        $body = (string) file_get_contents('php://input');
        if (strlen($body) !== $expected) {
            self::fail('body', strlen($body) . ' of ' . $expected . ' bytes arrived, post_max_size is ' . ini_get('post_max_size'));
        }
        $in = json_decode($body, true);
        if (!is_array($in)) {
            self::fail('body', json_last_error_msg());
        }
        if (strpos($body, '\u0000') !== false) {
            array_walk_recursive($in, static function (&$v): void {
                if (is_string($v) && $v !== '' && $v[0] === "\0") {
                    $v = base64_decode(substr($v, 1));
                }
            });
        }
        return $in;
    }

    /** The status without its scripts; fails by name where OPcache cannot be used. */
    private static function requireOPcache(): array
    {
        if (!extension_loaded('Zend OPcache')) {
            self::fail('opcache-missing', 'the extension is not loaded');
        }
        $missing = [];
        foreach (['get_status', 'get_configuration', 'is_script_cached', 'invalidate', 'compile_file', 'reset'] as $name) {
            if (!function_exists('opcache_' . $name)) {
                $missing[] = 'opcache_' . $name;
            }
        }
        if ($missing) {
            self::fail('function', implode(', ', $missing));
        }
        $status = opcache_get_status(false);
        if (strpos(implode(' ', self::$warnings), 'restrict_api') !== false) {
            self::fail('restrict-api', (string) ini_get('opcache.restrict_api'));
        }
        if (!self::flag('opcache.enable')) {
            self::fail('opcache-off', 'opcache.enable is 0');
        }
        if (!is_array($status)) {
            self::fail('opcache-failed', 'it did not start');
        }
        if (!empty($status['file_cache_only'])) {
            self::fail('file-cache-only', 'opcache.file_cache_only is 1');
        }
        return $status;
    }

    /** The envelope itself is the answer. */
    private static function ping(): void
    {
    }

    private static function sweep(array $in): void
    {
        if (!function_exists('clearstatcache')) {
            self::fail('function', 'clearstatcache');
        }
        clearstatcache(true);
        if (!empty($in['hold']) && function_exists('usleep')) {
            usleep(min((int) $in['hold'], 1000000));
        }
    }

    /** The workers of the pool that this one is of, as the status page lists them. */
    private static function siblings(): void
    {
        if (!function_exists('fpm_get_status')) {
            self::fail('function', 'fpm_get_status');
        }
        $status = fpm_get_status(); // false while the scoreboard is locked
        $rows = [];
        foreach (is_array($status) ? $status['procs'] : [] as $p) {
            $rows[] = ['pid' => $p['pid'], 'state' => $p['state'], 'start' => $p['start-time'], 'requests' => $p['requests'],
                'busy' => $p['request-duration'], 'method' => $p['request-method'], 'uri' => $p['request-uri']];
        }
        self::$result = ['workers' => $rows];
    }

    private static function configuration(): void
    {
        if (!function_exists('opcache_get_configuration')) {
            self::fail('function', 'opcache_get_configuration');
        }
        $directives = [];
        foreach (['realpath_cache_size', 'open_basedir', 'user_ini.filename', 'user_ini.cache_ttl'] as $name) {
            $directives[$name] = (string) ini_get($name);
        }
        foreach (opcache_get_configuration()['directives'] as $name => $value) {
            $directives[$name] = is_bool($value) ? ($value ? '1' : '0') : (string) $value;
        }
        self::$result = ['directives' => $directives,
            'loaded' => function_exists('php_ini_loaded_file') ? (string) php_ini_loaded_file() : '',
            'scanned' => function_exists('php_ini_scanned_files') ? (string) php_ini_scanned_files() : ''];
    }

    private static function status(array $in, array $status): void
    {
        self::$result = $status;
    }

    /** Columns, not rows: half the bytes, and the paths decode as one list. */
    private static function scripts(array $in): void
    {
        $all = self::allScripts();
        self::keysOnly();
        $out = ['paths' => [], 'live' => '', 'hits' => [], 'memory' => [], 'used' => []];
        foreach ($all as $path => $s) {
            if (!self::isBelow((string) $path, $in['under'])) {
                continue;
            }
            $out['paths'][] = (string) $path;
            $out['live'] .= opcache_is_script_cached((string) $path) ? '1' : '0';
            $out['hits'][] = $s['hits'];
            $out['memory'][] = $s['memory_consumption'];
            $out['used'][] = $s['last_used_timestamp'];
        }
        self::$result = $out;
    }

    /** Sums instead of rows: for each folder, and last for the whole cache. */
    private static function holdings(array $in): void
    {
        $all = self::allScripts();
        self::keysOnly();
        $sums = array_fill(0, count($in['folders']) + 1, [0, 0, 0, 0]);
        foreach ($all as $path => $s) {
            $at = opcache_is_script_cached((string) $path) ? 0 : 2;
            foreach ($sums as $i => &$sum) {
                if (!isset($in['folders'][$i]) || self::isBelow((string) $path, [$in['folders'][$i]])) {
                    $sum[$at]++;
                    $sum[$at + 1] += $s['memory_consumption'];
                }
            }
            unset($sum);
        }
        self::$result = ['sums' => $sums];
    }

    private static function allScripts(): array
    {
        return opcache_get_status(true)['scripts'] ?? [];
    }

    private static function isBelow(string $path, array $folders): bool
    {
        if (strncmp($path, 'phar://', 7) === 0) {
            $path = substr($path, 7);
        }
        foreach ($folders as $folder) {
            $prefix = rtrim($folder, '/') . '/';
            if (strncmp($path, $prefix, strlen($prefix)) === 0) {
                return true;
            }
        }
        return !$folders;
    }

    /**
     * With validate_timestamps=1 opcache_is_script_cached() also compares the file. Without
     * that it tells what OPcache serves. A pool that has locked the directive keeps it.
     */
    private static function keysOnly(): void
    {
        if (self::flag('opcache.validate_timestamps') && function_exists('ini_set')) {
            ini_set('opcache.validate_timestamps', '0');
        }
    }

    private static function flag(string $name): bool
    {
        return filter_var(ini_get($name), FILTER_VALIDATE_BOOLEAN);
    }

    /** Everything below folders that is live, in one go: the cut-over of what was left. */
    private static function invalidateBelow(array $in): void
    {
        $all = array_keys(self::allScripts());
        self::keysOnly();
        self::$result = ['invalidated' => 0, 'failed' => [], 'last' => 0];
        foreach ($all as $path) {
            $path = (string) $path;
            if (!self::isBelow($path, $in['folders']) || !opcache_is_script_cached($path)) {
                continue;
            }
            if (self::drop($path)) {
                self::$result['invalidated']++;
            } else {
                self::$result['failed'][] = $path;
            }
            self::$result['last'] = (int) (microtime(true) * 1e6);
        }
    }

    /** False only if the script is still served: PHP 7.4 answers false for a deleted file. */
    private static function drop(string $path): bool
    {
        return opcache_invalidate($path, true) || !opcache_is_script_cached($path);
    }

    private static function invalidate(array $in): void
    {
        self::keysOnly();
        self::$result = ['invalidated' => 0, 'failed' => [], 'next' => 0];
        $deadline = self::deadline($in);
        foreach ($in['files'] as $i => $path) {
            if ($i > 0 && microtime(true) >= $deadline) {
                return;
            }
            if (opcache_is_script_cached($path)) {
                if (self::drop($path)) {
                    self::$result['invalidated']++;
                } else {
                    self::$result['failed'][] = $path;
                }
            }
            self::$result['next'] = $i + 1;
        }
    }

    private static function deadline(array $in): float
    {
        return $in['budget'] > 0 ? microtime(true) + $in['budget'] / 1e6 : INF;
    }

    private static function compile(array $in): void
    {
        if (function_exists('ini_set')) {
            // The answer carries the reasons; the site's error log is not the place for them.
            ini_set('log_errors', '0');
        }
        self::$result = ['files' => [], 'next' => 0];
        $deadline = self::deadline($in);
        foreach ($in['files'] as $i => $path) {
            if ($i > 0 && microtime(true) >= $deadline) {
                return;
            }
            // Before the attempt: after a fatal error the caller must go on behind this file.
            self::$result['next'] = $i + 1;
            self::$result['files'][] = self::compileOne($path);
        }
    }

    /** @return array [outcome, reason, microseconds to wait] */
    private static function compileOne(string $path): array
    {
        if (opcache_is_script_cached($path)) {
            return ['cached', '', 0];
        }
        self::$warnings = [];
        error_clear_last();
        $modified = filemtime($path);
        if ($modified === false) {
            return ['failed', implode('; ', self::$warnings) ?: 'no such file', 0];
        }
        if (!is_file($path)) {
            return ['failed', 'not a file', 0];
        }
        $early = self::tooNew($modified);
        if ($early) {
            return $early;
        }
        try {
            opcache_compile_file($path);
        } catch (Throwable $e) {
            return ['failed', $e->getMessage() . ' on line ' . $e->getLine(), 0];
        }
        if (opcache_is_script_cached($path)) {
            return ['compiled', '', 0];
        }
        // The fatal error is the cause; the warnings are only "could not compile file".
        $fatal = error_get_last();
        return ['failed', $fatal ? $fatal['message'] : self::whyNotCached($path), 0];
    }

    /** file_update_protection is relative to the start of this request (ZendAccelerator.c, cache_script_in_shared_memory). */
    private static function tooNew(int $modified): ?array
    {
        $protection = (int) ini_get('opcache.file_update_protection');
        $started = (int) ($_SERVER['REQUEST_TIME'] ?? time());
        if ($protection <= 0 || $modified <= $started - $protection) {
            return null;
        }
        if ($modified > $started + 60) {
            return ['failed', 'modified in the future (' . gmdate('Y-m-d H:i:s', $modified) . ' UTC): OPcache will not cache it before then', 0];
        }
        return ['too-new', '', (int) max(0, ($modified + $protection - microtime(true)) * 1e6)];
    }

    private static function whyNotCached(string $path): string
    {
        $status = opcache_get_status(false);
        if (!empty($status['restart_pending']) || !empty($status['restart_in_progress'])) {
            return 'OPcache is waiting for a restart';
        }
        if (!empty($status['cache_full'])) {
            return 'the cache is full';
        }
        $count = $status['opcache_statistics'];
        if ($count['num_cached_keys'] >= $count['max_cached_keys']) {
            return 'opcache.max_accelerated_files is used up';
        }
        $size = (int) filesize($path);
        $limit = (int) ini_get('opcache.max_file_size');
        if ($limit > 0 && $size > $limit) {
            return 'larger than opcache.max_file_size (' . $limit . ' bytes)';
        }
        $warned = implode('; ', self::$warnings);
        if ($warned !== '') {
            return $warned;
        }
        // cache_full is set only once less than 64 KiB are left in one piece (zend_shared_alloc.c).
        $free = $status['memory_usage']['free_memory'];
        if ($free < 65536 + 4 * $size) {
            return 'too little of opcache.memory_consumption is left (' . $free . ' bytes)';
        }
        return 'OPcache did not keep it' . (ini_get('opcache.blacklist_filename') ? ', perhaps for opcache.blacklist_filename' : '');
    }

    private static function reset(): void
    {
        $accepted = opcache_reset();
        self::$result = ['accepted' => $accepted, 'status' => opcache_get_status(false)];
    }

    /** Empties the user cache that all workers of the master share, and tells what it held. */
    private static function apcu(): void
    {
        self::$result = ['there' => false, 'entries' => 0, 'bytes' => 0];
        if (!extension_loaded('apcu') || !self::flag('apc.enabled')) {
            return;
        }
        foreach (['apcu_cache_info', 'apcu_clear_cache'] as $name) {
            if (!function_exists($name)) {
                self::fail('function', $name);
            }
        }
        $info = apcu_cache_info(true);
        if (!is_array($info) || !apcu_clear_cache()) {
            self::fail('apcu', implode('; ', self::$warnings) ?: 'it was not cleared');
        }
        self::$result = ['there' => true, 'entries' => (int) $info['num_entries'], 'bytes' => (int) $info['mem_size']];
    }

    private static function fail(string $code, string $message): void
    {
        self::$error = ['code' => $code, 'message' => $message];
        throw new RuntimeException($code);
    }

    private static function describe(Throwable $e): array
    {
        if (preg_match('/undefined function (\w+)\(\)/', $e->getMessage(), $m)) {
            return ['code' => 'function', 'message' => $m[1]];
        }
        return ['code' => 'fatal', 'message' => $e->getMessage() . ' in ' . $e->getFile() . ':' . $e->getLine()];
    }

    private static function send(): void
    {
        self::$sent = true;
        // What an auto_prepend_file has buffered would change or swallow the answer.
        for ($left = ob_get_level(); $left > 0 && @ob_end_clean(); $left--) {
        }
        // A fatal error has made it 500, for which a web server may have a page of its own.
        if (function_exists('http_response_code')) {
            http_response_code(200);
        }
        $json = self::encode(['worker' => self::worker(), 'error' => self::$error, 'result' => self::$result]);
        echo "\nRELINK1:", self::$nonce, ':', strlen($json), ':', hash('crc32b', $json), "\n", $json, "\n";
        flush();
    }

    private static function worker(): array
    {
        return [
            'pid' => function_exists('getmypid') ? (int) getmypid() : 0,
            'parent' => function_exists('posix_getppid') ? posix_getppid() : 0,
            'php' => PHP_VERSION,
            'sapi' => PHP_SAPI,
            'time' => (float) ($_SERVER['REQUEST_TIME_FLOAT'] ?? 0),
            'realpath_cache' => function_exists('realpath_cache_size') ? realpath_cache_size() : 0,
            'root' => self::root(),
        ];
    }

    /** The root folder as OPcache tells its keys apart by it: '' where it does not, '?' where PHP may not know. */
    private static function root(): string
    {
        if (!function_exists('ini_get') || !self::flag('opcache.validate_root')) {
            return '';
        }
        return (string) (@fileinode('/') ?: '?');
    }

    private static function encode(array $answer): string
    {
        // An empty result must not become a JSON list.
        $flags = JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE | ($answer['result'] ? 0 : JSON_FORCE_OBJECT);
        $json = json_encode($answer, $flags);
        if ($json === false) {
            array_walk_recursive($answer, static function (&$v): void {
                if (is_string($v) && !preg_match('//u', $v)) {
                    $v = "\0" . base64_encode($v);
                }
            });
            $json = json_encode($answer, $flags | JSON_PARTIAL_OUTPUT_ON_ERROR);
        }
        return (string) $json;
    }
}

RelinkAgent::main();
