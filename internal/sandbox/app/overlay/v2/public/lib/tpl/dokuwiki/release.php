<?php echo \dokuwiki\Relink\Banner::html() ?>
<!-- template @RELEASE@ -->
