<?php

declare(strict_types=1);

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

require_once __DIR__ . '/autoload.php';

add_hook('AdminHomeWidgets', 1, static function () {
    require_once __DIR__ . '/OpteriusHealthWidget.php';
    return new OpteriusHealthWidget();
});
