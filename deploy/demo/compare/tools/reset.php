<?php
opcache_reset();
