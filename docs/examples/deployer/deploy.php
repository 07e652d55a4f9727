<?php

namespace Deployer;

require 'recipe/common.php';

set('application', 'shop');
set('repository', '/srv/git/shop.git');
host('web1.example.org')->setRemoteUser('deploy')->setDeployPath('/srv/shop');

// relink for the caches, in place of php-fpm:reload and cachetool:clear:opcache. It runs
// as root, by the lines of ../sudoers/relink. /usr/bin/sudo and not sudo: when a command
// that begins with "sudo" fails, Deployer takes the password for missing, asks for it,
// and hides the reason.
//
// The old release is asked of the link, before it moves: {{previous_release}} is the newest
// folder before this one, even if its deploy failed or it was rolled back.
function liveRelease(): string
{
    return test('[ -L {{current_path}} ]') ? run('readlink -f {{current_path}}') : '';
}

// An exit status other than 0 ends the deploy with the link moved, and shows the command:
// after 4, run that again on the server. "run" gives up after default_timeout, 300 s: keep
// relink's timeouts.settle below it.
function refreshOPcache(): void
{
    $old = get('old_release');
    $new = liveRelease();
    if ($old !== '' && $old !== $new) {
        run("/usr/bin/sudo -n /usr/bin/relink opcache refresh --from $old --to $new --link {{current_path}}");
    }
}

task('relink:warm', function () {
    set('old_release', $old = liveRelease()); // empty at the first deploy
    if ($old !== '') {
        run("/usr/bin/sudo -n /usr/bin/relink opcache warm --from $old {{release_path}}");
    }
});
task('relink:remember', function () {
    set('old_release', liveRelease());
});
task('relink:refresh', function () {
    refreshOPcache();
});

before('deploy:symlink', 'relink:warm');
after('deploy:symlink', 'relink:refresh');
before('rollback', 'relink:remember'); // and no warm: a path that was left is not to be warmed
after('rollback', 'relink:refresh');

task('deploy', ['deploy:prepare', 'deploy:publish']);
after('deploy:failed', 'deploy:unlock');
