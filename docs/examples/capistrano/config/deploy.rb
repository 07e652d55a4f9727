set :application, 'shop'
set :repo_url, '/srv/git/shop.git'
set :branch, ENV.fetch('TAG') # TAG=v2 cap production deploy
set :deploy_to, '/srv/shop'
set :format, :simpletext

# relink for the caches, in place of a reload of PHP-FPM. It runs as root, by the lines of
# ../../sudoers/relink; "-n", because nobody is there to be asked for a password.
#
# Where each server's link led before. Not the properties of a host: the hosts within "on"
# are copies, and what is written to them is lost. Not "previous release" either: that
# may be one that failed before it went live.
old = {}

# Not run by deploy:rollback, and rightly so: a path that was left is not to be warmed.
after 'deploy:updated', :relink_warm do
  on roles(:web) do
    if test("[ -L #{current_path} ]")
      live = capture(:readlink, '-f', current_path)
      execute :sudo, '-n', '/usr/bin/relink', :opcache, :warm, '--from', live, release_path
    end
  end
end

before 'deploy:symlink:release', :relink_old do
  on roles(:web) do |host|
    old[host.to_s] = capture(:readlink, '-f', current_path) if test("[ -L #{current_path} ]")
  end
end

# Run by deploy:rollback too. An exit status other than 0 ends the deploy with the link
# moved, and shows the command: after 4, run that again on the server.
after 'deploy:symlink:release', :relink_refresh do
  on roles(:web) do |host|
    next unless old[host.to_s]

    execute :sudo, '-n', '/usr/bin/relink', :opcache, :refresh,
            '--from', old[host.to_s], '--to', release_path, '--link', current_path
  end
end
