<?php

declare(strict_types=1);

use WHMCS\Module\AbstractWidget;
use WHMCS\Module\Addon\Opterius\Health;

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

/** WHMCS makes the widget's id of the name of its class, so this one stands in no namespace. */
class OpteriusHealthWidget extends AbstractWidget
{
    protected $title = 'Opterius';
    protected $description = 'Where WHMCS and the Opterius Panel do not agree';
    protected $weight = 150;
    protected $columns = 1;
    protected $cache = true;

    /** Seconds. The widget's own button asks anew at once. */
    protected $cacheExpiry = 900;
    protected $requiredPermission = 'Perform Server Operations';

    public function getData()
    {
        try {
            return Health::numbers();
        } catch (\Throwable $failure) {
            // The first page of the admin area has to come whatever is wrong with the report.
            return ['failed' => $failure->getMessage()];
        }
    }

    public function generateOutput($data)
    {
        return Health::html(is_array($data) ? $data : []);
    }
}
