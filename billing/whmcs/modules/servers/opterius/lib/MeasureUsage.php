<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/** The client's button that has the server count what the account uses. It changes nothing. */
final class MeasureUsage
{
    public function __construct(private readonly Action $action)
    {
    }

    /** @throws Refusal with a sentence for the client; why is in the Module Log */
    public function run(): void
    {
        try {
            $this->measure();
        } catch (\Throwable $cause) {
            $this->action->log->note($cause->getMessage());
            throw new Refusal(Language::of($this->action->params)->say('error.measure'));
        }
    }

    private function measure(): void
    {
        $ref = Ref::of($this->action->params) ?? throw new Refusal('WHMCS did not say which service this is.');
        $panel = $this->action->panel();
        $path = '/api/accounts/ref:' . $ref;
        $usage = $this->ask($panel, $path . '/usage');
        (new LastAnswer($this->action->params, $ref))->keep($this->ask($panel, $path), $usage);
    }

    private function ask(Panel $panel, string $path): array
    {
        $reply = $panel->get($path, [], $this->action->patience->left());
        return $reply->data() ?? throw new Refusal(Explanation::of($reply, $panel->address));
    }
}
