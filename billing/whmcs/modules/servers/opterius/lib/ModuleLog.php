<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** The Module Log of WHMCS. Nothing reaches it before the secrets are out, and WHMCS is told to look for them again. */
final class ModuleLog
{
    public function __construct(private readonly string $action, private Secrets $secrets)
    {
    }

    /** Adds secrets that became known after the call began. */
    public function hide(#[\SensitiveParameter] string ...$values): void
    {
        $this->secrets = $values === [] ? $this->secrets : $this->secrets->with(...$values);
    }

    /** One request to the Panel and what came back. */
    public function exchange(string $request, string $response, string $summary): void
    {
        // A log that cannot be written must not turn a created account into a failed order.
        try {
            if (function_exists('logModuleCall')) {
                logModuleCall(
                    'opterius',
                    $this->action,
                    $this->secrets->hide($request),
                    $this->secrets->hide($response),
                    $this->secrets->hide($summary),
                    $this->secrets->forms(),
                );
            }
        } catch (\Throwable) {
        }
    }

    /** Something to know about this action that is not an exchange with the Panel. */
    public function note(string $text): void
    {
        $this->exchange('', '', $text);
    }
}
