<?php

// What a recipe needs of Deployer, which is not among Debian's packages: values, tasks
// and what goes before and after them, commands on the server, and its folders.
namespace Deployer;

$values = ['current_path' => '{{deploy_path}}/current'];
$tasks = $around = [];

function set(string $name, string $value): void { $GLOBALS['values'][$name] = $value; }
function get(string $name): string { return parse($GLOBALS['values'][$name]); }
function parse(string $text): string { return preg_replace_callback('/{{(\w+)}}/', fn ($found) => get($found[1]), $text); }
function task(string $name, array|callable $body): void { $GLOBALS['tasks'][$name] = $body; }
function before(string $task, string $do): void { $GLOBALS['around'][$task]['before'][] = $do; }
function after(string $task, string $do): void { $GLOBALS['around'][$task]['after'][] = $do; }
function host(string $name): Host { return new Host($name); }

final class Host
{
    public function __construct(string $name) { set('host', $name); }
    public function setRemoteUser(string $user): self { set('user', $user); return $this; }
    public function setDeployPath(string $path): self { set('deploy_path', $path); return $this; }
}

function run(string $command): string
{
    exec('ssh -o BatchMode=yes ' . get('user') . '@' . get('host') . ' ' . escapeshellarg(parse($command)) . ' 2>&1', $lines, $status);
    if ($status !== 0) {
        throw new \RuntimeException("exit status $status: " . parse($command) . "\n" . implode("\n", $lines));
    }
    return trim(implode("\n", $lines));
}
function test(string $command): bool { return run("if $command; then echo +; fi") === '+'; }

function invoke(string $task): void
{
    array_map(invoke(...), $GLOBALS['around'][$task]['before'] ?? []);
    is_array($body = $GLOBALS['tasks'][$task]) ? array_map(invoke(...), $body) : $body();
    array_map(invoke(...), $GLOBALS['around'][$task]['after'] ?? []);
}

task('deploy:prepare', function () {
    set('release_path', '{{deploy_path}}/releases/' . run('expr 1 + $(ls {{deploy_path}}/releases | wc -l)'));
    run('mkdir {{release_path}} && git --git-dir {{repository}} archive ' . getenv('TAG') . ' | tar -xC {{release_path}} && ln -s {{release_path}} {{deploy_path}}/release');
});
task('deploy:symlink', fn () => run('mv -T {{deploy_path}}/release {{current_path}}'));
task('deploy:publish', ['deploy:symlink']);
task('deploy:unlock', fn () => null);
task('rollback', fn () => run('ln -nfs {{deploy_path}}/releases/1 {{current_path}}'));

register_shutdown_function(fn () => error_get_last() || invoke($GLOBALS['argv'][1]));
