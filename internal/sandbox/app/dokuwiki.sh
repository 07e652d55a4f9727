# Makes DokuWiki of Debian's packages, in the folder $1, which holds the overlay: the
# releases v1 and v2, each self-contained, and done/pages, the wiki's first pages.
# Nothing is installed; no root is needed.
set -eu
export LC_ALL=C
umask 022
cd "$1"

# Among the dependencies are the libraries whose files DokuWiki includes; PHP itself and
# its extensions are the machine's.
depends=$(apt-cache depends --recurse --no-recommends --no-suggests --no-conflicts \
	--no-breaks --no-replaces --no-enhances dokuwiki)
libraries=$(echo "$depends" | grep -E '^(php|libphp|libjs)-' |
	grep -vxE 'php-(cli|common|curl|intl|xml|gd|mbstring|json|fpm)' | sort -u)
# As root, apt would fetch as user _apt, who cannot write here.
[ "$(id -u)" != 0 ] || sandbox='-o APT::Sandbox::User=root'
mkdir debs && cd debs
apt-get download --quiet ${sandbox-} dokuwiki $libraries
cd ..
for deb in debs/*.deb; do dpkg-deb --extract "$deb" root; done

# Debian's absolute links mean a path below root. Those to what was not unpacked go.
find root -type l -lname '/*' >links
while read -r link; do ln -sfn "$PWD/root$(readlink "$link")" "$link"; done <links
find root -xtype l -delete
copy() { [ ! -e "root/$1" ] || cp -rL --no-preserve=mode "root/$1" "$2"; }
mkdir -p v1/share
copy usr/share/dokuwiki v1/public
copy etc/dokuwiki v1/conf
copy usr/share/php v1/share/php
copy usr/share/php-geshi v1/share/php-geshi
copy usr/share/javascript v1/share/javascript
rm -f v1/public/install.php # anybody could set the wiki up anew with it

# Rendering an embedded RSS feed calls a server in the internet.
mkdir done
copy var/lib/dokuwiki/data/pages done/pages
cp overlay/pages/start.txt done/pages/
sed -i 's/^{{rss>.*//' done/pages/wiki/syntax.txt

# The absolute paths that Debian patched in become relative to the release again, so
# that two releases do not share files.
cd v1
grep -rl /usr/share/ --include='*.php' . | while read -r script; do
	up=$(realpath --relative-to="$(dirname "$script")" .)
	sed -i -E "s#\\\$vendorDir\\s*\\.\\s*'/usr/share/#\$vendorDir . '/../../share/#g
		s#(['\"])/usr/share/(php|php-geshi|javascript)/#__DIR__ . \\1/$up/share/\\2/#g" "$script"
done
cd ..
cp -r v1 v2

# In each release the entry script says its release in a header, and the template
# includes a file that prints its own. In the second the core's scripts differ too.
known() {
	grep -q "$1" "$2" || { echo "$2 has no $1: this DokuWiki is not known"; exit 1; }
}
cp -r overlay/v1/. v1
cp -r overlay/v1/. overlay/v2/. v2
for tag in v1 v2; do
	grep -rlZ @RELEASE@ $tag | xargs -0 sed -i "s/@RELEASE@/$tag/g"
	known '<?php$' $tag/public/doku.php
	sed -i "1a header('X-App-Release: $tag');" $tag/public/doku.php
	known '</body>' $tag/public/lib/tpl/dokuwiki/main.php
	sed -i "s#</body>#<?php include __DIR__ . '/release.php' ?>\n&#" $tag/public/lib/tpl/dokuwiki/main.php
done
sed -i -s '1s#^<?php$#&\n// v2#' v2/public/inc/*.php
