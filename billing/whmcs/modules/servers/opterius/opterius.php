<?php

/**
 * Opterius provisioning module for WHMCS.
 *
 * WHMCS calls these functions by name; each of them hands over to the class that does the work. A function that is
 * defined makes WHMCS show its button or form, so only what really works is defined here.
 */

declare(strict_types=1);

use WHMCS\Module\Server\Opterius\CustomActions;
use WHMCS\Module\Server\Opterius\Module;

if (!defined('WHMCS')) {
    die('This file cannot be accessed directly');
}

require_once __DIR__ . '/autoload.php';

function opterius_MetaData(): array
{
    return Module::metaData();
}

function opterius_ConfigOptions(array $params = []): array
{
    return Module::configOptions();
}

/** @throws Exception whose message WHMCS shows beside the field, as its documentation asks of a loader. */
function opterius_PackageLoader(array $params = []): array
{
    return Module::packages($params);
}

function opterius_TestConnection(array $params): array
{
    return Module::testConnection($params);
}

function opterius_CreateAccount(array $params): string
{
    return Module::createAccount($params);
}

function opterius_SuspendAccount(array $params): string
{
    return Module::suspendAccount($params);
}

function opterius_UnsuspendAccount(array $params): string
{
    return Module::unsuspendAccount($params);
}

function opterius_TerminateAccount(array $params): string
{
    return Module::terminateAccount($params);
}

function opterius_Renew(array $params): string
{
    return Module::renew($params);
}

function opterius_ChangePackage(array $params): string
{
    return Module::changePackage($params);
}

function opterius_ChangePassword(array $params): string
{
    return Module::changePassword($params);
}

function opterius_AdminCustomButtonArray(array $params = []): array
{
    return Module::staffButtons();
}

function opterius_restore(array $params): string
{
    return Module::restore($params);
}

function opterius_reconcile(array $params): string
{
    return Module::reconcile($params);
}

function opterius_showplan(array $params): string
{
    return Module::showPlan($params);
}

function opterius_retryoperation(array $params): string
{
    return Module::retryOperation($params);
}

function opterius_rotatetoken(array $params): string
{
    return Module::rotateToken($params);
}

function opterius_createoptions(array $params): string
{
    return Module::createOptions($params);
}

/** WHMCS calls this when somebody clicks, and sends their browser where it says. */
function opterius_ServiceSingleSignOn(array $params): array
{
    return Module::serviceSingleSignOn($params);
}

function opterius_AdminSingleSignOn(array $params): array
{
    return Module::adminSingleSignOn($params);
}

function opterius_LoginLink(array $params): string
{
    return Module::loginLink($params);
}

function opterius_ClientArea(array $params): array
{
    return Module::clientArea($params);
}

function opterius_ClientAreaCustomButtonArray(array $params = []): array
{
    return Module::clientButtons();
}

function opterius_measureusage(array $params): string
{
    return Module::measureUsage($params);
}

function opterius_AdminServicesTabFields(array $params): array
{
    return Module::serviceTab($params);
}

function opterius_UsageUpdate(array $params): void
{
    Module::usageUpdate($params);
}

function opterius_ListAccounts(array $params): array
{
    return Module::listAccounts($params);
}

// These two speak in classes that WHMCS has from 8.5 and from 7.9 on.
if (class_exists(\WHMCS\Module\Server\CustomActionCollection::class)) {
    function opterius_CustomActions(array $params): \WHMCS\Module\Server\CustomActionCollection
    {
        return CustomActions::of($params);
    }
}

if (interface_exists(\WHMCS\UsageBilling\Contracts\Metrics\ProviderInterface::class)) {
    function opterius_MetricProvider(array $params): \WHMCS\UsageBilling\Contracts\Metrics\ProviderInterface
    {
        return Module::metricProvider($params);
    }
}
