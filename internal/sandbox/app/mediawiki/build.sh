# Makes MediaWiki of Debian's packages, in the folder $1, which holds LocalSettings.php:
# done/tree, a release, and done/data, a wiki in SQLite with its first page and its cache of
# messages. No root is needed; PHP needs mbstring, xml, intl and sqlite3 (.ci/setup test).
set -eu
export LC_ALL=C
umask 022
cd "$1"

# As root, apt would fetch as user _apt, who cannot write here.
[ "$(id -u)" != 0 ] || sandbox='-o APT::Sandbox::User=root'
mkdir debs && cd debs
apt-get download --quiet ${sandbox-} mediawiki mediawiki-classes
cd ..
for deb in debs/*.deb; do dpkg-deb --extract "$deb" root; done

# Debian's absolute links mean a path below root. Those to what was not unpacked go.
find root -type l -lname '/*' >links
while read -r link; do ln -sfn "$PWD/root$(readlink "$link")" "$link"; done <links
find root -xtype l -delete
mkdir -p done/tree done/data/l10n
cp -rL --no-preserve=mode root/usr/share/mediawiki done/tree/public
rm -r root
cd done/tree/public
rm -rf extensions-core config mw-config images # the first are there as extensions, too

export WIKI_DATA="$1/done/data"
php maintenance/install.php --dbtype sqlite --dbpath "$WIKI_DATA" --dbname wiki --server http://wiki.test --scriptpath '' \
	--pass "$(head -c 18 /dev/urandom | base64)" --confpath "$1" Wiki Admin
cp "$1/own/LocalSettings.php" .
echo '<?php' >release-mark.php
php maintenance/rebuildLocalisationCache.php --lang=en
rm "$WIKI_DATA/.htaccess"
