<?php
return '@RELEASE@';
