<?php

/**
 * Calls the module as WHMCS does, from the command line.
 *
 *   php order.php TestConnection|CreateAccount|PackageLoader [--log FILE] [--params FILE] < params.json
 *
 * Reads the parameters that WHMCS would hand over as one JSON object, from FILE or standard input, never from the
 * command line, which everybody on a machine can read. Appends each entry of the Module Log, masked as WHMCS masks it,
 * to the log file as one line of JSON. Prints one JSON object: `result` is what the function returned; `exception` is
 * there instead if it threw, as a loader does; `status` is what WHMCS makes of the service; `saved` holds the service
 * properties that the module wrote; `leaks` names each secret that survived masking. Ends with 0 whatever the result
 * says, 1 if a secret leaked, 2 if it was called wrongly.
 */

declare(strict_types=1);

use Opterius\Whmcs\StandIn\Whmcs;

require __DIR__ . '/bootstrap.php';

$usage = static function (string $problem): never {
    fwrite(STDERR, "order.php: $problem\nusage: php order.php TestConnection|CreateAccount|PackageLoader"
        . " [--log FILE] [--params FILE] < params.json\n");
    exit(2);
};

$options = ['--log' => null, '--params' => 'php://stdin'];
$arguments = array_slice($argv, 1);
$action = array_shift($arguments);
if (!in_array($action, ['TestConnection', 'CreateAccount', 'PackageLoader'], true)) {
    $usage('name one of the three actions');
}
while ($arguments !== []) {
    $name = array_shift($arguments);
    $value = array_shift($arguments);
    if (!array_key_exists($name, $options) || $value === null) {
        $usage("what is $name?");
    }
    $options[$name] = $value;
}
$params = json_decode((string) file_get_contents($options['--params']), true);
if (!is_array($params)) {
    $usage('the parameters are not a JSON object');
}

$whmcs = new Whmcs($params);
$printed = [];
try {
    $printed['result'] = $action === 'CreateAccount' ? $whmcs->create() : ('opterius_' . $action)($params);
} catch (Exception $exception) {
    $printed['exception'] = $exception->getMessage();
}
if ($action === 'CreateAccount') {
    $printed['status'] = $whmcs->status;
    $printed['saved'] = (object) $whmcs->properties->saved;
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
