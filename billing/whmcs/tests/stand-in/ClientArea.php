<?php

declare(strict_types=1);

namespace Opterius\Whmcs\StandIn;

/**
 * The page of a service in the client area: it takes what the module's ClientArea returns in any of the documented
 * forms, and renders its template with Smarty. As in WHMCS, nothing is escaped that the template does not escape.
 */
final class ClientArea
{
    /** @param array<string, string> $request what the browser asks with */
    public static function page(Service $service, array $request = []): string
    {
        $_GET = $_REQUEST = $request + ['action' => 'productdetails', 'id' => (string) $service->id];
        try {
            $params = $service->params();
            $output = opterius_ClientArea($params);
        } finally {
            $_GET = $_REQUEST = [];
        }
        if (is_string($output)) {
            return $output;
        }
        $template = $output['tabOverviewModuleOutputTemplate'] ?? $output['tabOverviewReplacementTemplate'] ?? null;
        $vars = $output['templateVariables'] ?? [];
        if ($template === null && isset($output['templatefile'])) {
            $template = $output['templatefile'] . '.tpl';
            $vars = $output['vars'] ?? [];
        }
        if (!is_string($template)) {
            throw new \UnexpectedValueException('ClientArea must return HTML, or name a template.');
        }
        return self::render($template, $vars + self::given($service, $params));
    }

    /** @param array<string, mixed> $vars */
    public static function render(string $template, array $vars): string
    {
        $folder = dirname(__DIR__, 2) . '/modules/servers/opterius/';
        if (!is_file($folder . $template)) {
            throw new \UnexpectedValueException("The module has no template $template.");
        }
        require_once 'smarty4/Smarty.class.php';
        $compiled = sys_get_temp_dir() . '/opterius-smarty-' . bin2hex(random_bytes(8));
        mkdir($compiled, 0700);
        try {
            $smarty = new \Smarty();
            $smarty->setTemplateDir($folder)->setCompileDir($compiled);
            // What a template uses without having been given it is a mistake, and not an empty text.
            $smarty->error_unassigned = true;
            foreach ($vars as $name => $value) {
                $smarty->assign($name, $value);
            }
            return $smarty->fetch($template);
        } finally {
            array_map(unlink(...), glob($compiled . '/*') ?: []);
            rmdir($compiled);
        }
    }

    /** What WHMCS gives every template of a module beside the module's own. */
    private static function given(Service $service, array $params): array
    {
        $client = $params['clientsdetails'];
        unset($params['model'], $params['serverpassword'], $params['serveraccesshash']);
        return $params + [
            'id' => $service->id,
            'client' => $client,
            'WEB_ROOT' => '',
            'systemurl' => $service->whmcs->setting('SystemURL'),
            'template' => 'twenty-one',
            'token' => 'csrf-token',
            'language' => $client['language'] ?? 'english',
            'LANG' => [],
        ];
    }
}
