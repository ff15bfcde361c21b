<?php

declare(strict_types=1);

foreach (['Certificate', 'CurlWatch', 'FakePanel', 'ModuleLog', 'ServiceProperties', 'Whmcs', 'functions'] as $part) {
    require_once __DIR__ . '/stand-in/' . $part . '.php';
}
require_once dirname(__DIR__) . '/modules/servers/opterius/opterius.php';

// The driver order.php shares this file and runs without phpunit.
if (class_exists(PHPUnit\Framework\TestCase::class)) {
    require_once __DIR__ . '/stand-in/PanelTestCase.php';
}
