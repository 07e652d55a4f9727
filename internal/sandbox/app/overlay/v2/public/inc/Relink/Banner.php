<?php

namespace dokuwiki\Relink;

/** What only the second release has. */
class Banner
{
    public static function html()
    {
        return '<p class="banner">New in @RELEASE@</p>';
    }
}
