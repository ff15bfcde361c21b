<?php

/**
 * Does with one service what WHMCS does, from the command line, and calls the module for it.
 *
 *   php order.php ACTION [--log FILE] [--params FILE] [--database FILE] [--url URL] [--directory DIRECTORY]
 *       [--sapi NAME] < params
 *
 * Reads the parameters that WHMCS would hand over as one JSON object, from FILE or standard input, never from the
 * command line, which everybody on a machine can read. With --database the rows of WHMCS are kept in that file, so that
 * the next call goes on with the same service; --url and --directory say which installation it is. The module takes
 * the command line for WHMCS's cron, in which nobody waits; with --sapi fpm-fcgi somebody waits at a browser.
 *
 * The actions are the functions of the module, done by the stand-in with what belongs to them: CreateAccount,
 * SuspendAccount, UnsuspendAccount, TerminateAccount, Renew, ChangePackage, ChangePassword, TestConnection,
 * PackageLoader, ServiceSingleSignOn, AdminSingleSignOn, CustomActions, ClientArea, AdminServicesTabFields,
 * AdminCustomButtonArray, ClientAreaCustomButtonArray, ListAccounts, UsageUpdate, MetricProvider, ConfigOptions; and
 * what WHMCS does by itself: Retry, ModuleQueue, Cron, EditClient, Checkout, AdminHome, AddonModule. Beside the
 * parameters of WHMCS, the object may hold what an action needs: `suspendreason`, `newpassword`, `nextduedate`,
 * `choices` (configurable options by name), `button` (a label), `action` (of the client's buttons, the function; of
 * CustomActions, the identifier), `client` (the columns that change), `products` (in the cart), `request` (the query).
 *
 * The action Script reads `{"params": {…}, "script": [{"action": …, "params": {…}}, …]}`: each step has the common
 * parameters and its own. It prints `steps` with one object each.
 *
 * Appends each entry of the Module Log, masked as WHMCS masks it, to the log file as one line of JSON. Prints one JSON
 * object: `result` is what the function returned; `exception` is there instead if it threw, as a loader does; `status`
 * is what WHMCS makes of the service; `saved` holds the service properties that the module wrote; `leaks` names each
 * secret that survived masking. Ends with 0 whatever the result says, 1 if a secret leaked, 2 if it was called wrongly.
 */

declare(strict_types=1);

use Opterius\Whmcs\StandIn\CommandLine;
use Opterius\Whmcs\StandIn\Whmcs;

$refuse = static function (string $problem): never {
    fwrite(STDERR, "order.php: $problem\nusage: php order.php ACTION [--log FILE] [--params FILE] [--database FILE]"
        . " [--url URL] [--directory DIRECTORY] [--sapi NAME] < params.json\n");
    exit(2);
};

$options = [
    '--log' => null, '--params' => 'php://stdin', '--database' => ':memory:', '--url' => 'https://billing.example.com',
    '--directory' => '/srv/whmcs', '--sapi' => PHP_SAPI,
];
$arguments = array_slice($argv, 1);
$action = array_shift($arguments);
while ($arguments !== []) {
    $name = array_shift($arguments);
    $value = array_shift($arguments);
    if (!array_key_exists($name, $options) || $value === null) {
        $refuse("what is $name?");
    }
    $options[$name] = $value;
}
// WHMCS defines it before anything else runs.
define('ROOTDIR', rtrim($options['--directory'], '/'));
// The module's own namespace is where it looks for the name first.
define('WHMCS\\Module\\Server\\Opterius\\PHP_SAPI', $options['--sapi']);
require __DIR__ . '/bootstrap.php';

if ($action !== 'Script' && !in_array($action, CommandLine::ACTIONS, true)) {
    $refuse('name one of ' . implode(', ', CommandLine::ACTIONS) . ' or Script');
}
$given = json_decode((string) file_get_contents($options['--params']), true);
if (!is_array($given)) {
    $refuse('the parameters are not a JSON object');
}
$line = new CommandLine(Whmcs::install($options['--database'], $options['--url']));
if ($action === 'Script') {
    $printed = ['steps' => []];
    foreach ($given['script'] ?? $refuse('the script is missing') as $step) {
        if (!in_array($step['action'] ?? null, CommandLine::ACTIONS, true)) {
            $refuse('a step names no action');
        }
        $params = array_replace($given['params'] ?? [], $step['params'] ?? []);
        $printed['steps'][] = ['action' => $step['action']] + $line->perform($step['action'], $params);
    }
} else {
    $printed = $line->perform($action, $given);
}

$log = Whmcs::log();
$json = JSON_THROW_ON_ERROR | JSON_UNESCAPED_SLASHES | JSON_UNESCAPED_UNICODE;
$log->lookForSecrets(json_encode($printed, $json), 'the result');
if ($options['--log'] !== null) {
    foreach ($log->entries as $entry) {
        file_put_contents($options['--log'], json_encode($entry, $json) . "\n", FILE_APPEND | LOCK_EX);
    }
}
echo json_encode($printed + ['leaks' => $log->leaks], $json), "\n";
exit($log->leaks === [] ? 0 : 1);
