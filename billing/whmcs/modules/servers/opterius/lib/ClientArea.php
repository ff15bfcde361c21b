<?php

declare(strict_types=1);

namespace WHMCS\Module\Server\Opterius;

/**
 * What a client sees of their account on the product's page. A page has to come, whatever the Panel does: it waits for
 * it two seconds and a half at most, and then shows what is known from before.
 */
final class ClientArea
{
    private const TEMPLATE = 'templates/clientarea.tpl';

    /** Seconds for the account, so that something is left for what it uses. */
    private const LONGEST_LOOK = 2.0;

    /** Seconds. With less than this left, what it uses is not asked for. */
    private const SHORTEST_LOOK = 0.25;

    private ?Ref $ref = null;

    /** What to say instead of a status, and the time it speaks of. */
    private string $note = '';
    private int $noted = 0;

    private ?array $account = null;
    private ?Usage $usage = null;

    public function __construct(private readonly Action $action)
    {
    }

    /** @return array what WHMCS is to render. The template takes the page in the language that is being read. */
    public static function output(array $pages): array
    {
        return [
            'tabOverviewModuleOutputTemplate' => self::TEMPLATE,
            'templateVariables' => ['opterius' => $pages],
        ];
    }

    /** @return array<string, array> the page in every language */
    public function pages(): array
    {
        $this->look();
        $pages = [];
        foreach (Language::names() as $name) {
            $pages[$name] = $this->page(Language::named($name));
        }
        return $pages;
    }

    /** @return array<string, array> the page that says that nothing is known, in every language */
    public static function emptyPages(): array
    {
        $pages = [];
        foreach (Language::names() as $name) {
            $language = Language::named($name);
            $pages[$name] = self::parts($language->say('title'), $language->say('note.nothing'));
        }
        return $pages;
    }

    private function look(): void
    {
        $this->ref = Ref::of($this->action->params);
        if ($this->ref === null) {
            $this->note = 'note.nothing';
            return;
        }
        $last = new LastAnswer($this->action->params, $this->ref);
        $known = $last->fresh();
        if ($known === null) {
            try {
                $known = $this->ask($last);
            } catch (Refusal $refusal) {
                // The server form is not complete. For the client that is the same as a server that does not answer.
                $this->action->log->note($refusal->getMessage());
            }
        }
        if ($known === null && $this->note === '') {
            $known = $last->get();
            $this->note = $known === null ? 'note.nothing' : 'note.former';
            $this->noted = 1_000_000 * ($known['at'] ?? 0);
        }
        $this->account = $known['account'] ?? null;
        if ($this->account !== null) {
            $limits = is_array($this->account['limits'] ?? null) ? $this->account['limits'] : [];
            $this->usage = Usage::of($known['usage'] ?? [], $limits);
        }
        if ($this->note === 'note.nothing' || ($this->usage !== null && $this->usage->measuredAt === null)) {
            $this->usage = $this->recorded() ?? $this->usage;
        }
    }

    /** @return array{at: int, account: array, usage: array|null}|null null if there is no answer, or none to show */
    private function ask(LastAnswer $last): ?array
    {
        $panel = $this->action->panel();
        $path = '/api/accounts/ref:' . $this->ref;
        $reply = $panel->get($path, [], min(self::LONGEST_LOOK, $this->action->patience->left()));
        $account = $reply->data();
        if ($account === null) {
            $problem = $reply->problem();
            $this->note = match ($problem['code'] ?? '') {
                'not_found' => 'note.none',
                'account_gone' => 'note.gone',
                default => '',
            };
            $this->noted = is_int($problem['terminated_at'] ?? null) ? $problem['terminated_at'] : 0;
            return null;
        }
        $usage = $this->action->patience->left() > self::SHORTEST_LOOK
            ? $panel->get($path . '/usage', [], $this->action->patience->left())->data()
            : null;
        $last->keep($account, $usage ?? $last->get()['usage'] ?? null);
        return $last->get();
    }

    private function recorded(): ?Usage
    {
        try {
            return Usage::recorded($this->action->params->model());
        } catch (\Throwable) {
            return null;
        }
    }

    private function page(Language $language): array
    {
        $page = self::parts($language->say('title'), $this->noteIn($language));
        if ($this->usage !== null) {
            $page['bars'] = $this->bars($language, $this->usage);
            $page['measured'] = $this->usage->measuredAt === null
                ? ''
                : $language->say('measured', when: $language->time($this->usage->measuredAt));
        }
        if ($this->account !== null) {
            $page['status'] = $this->status($language, $this->account);
            $page['reasons'] = $this->reasons($language, $this->account);
            $page['rows'] = $this->rows($language, $this->account);
            $page['links'] = $this->links($language);
        }
        return $page;
    }

    private static function parts(string $title, string $note): array
    {
        return [
            'title' => $title,
            'note' => $note,
            'status' => null,
            'reasons' => null,
            'bars' => [],
            'measured' => '',
            'rows' => [],
            'links' => [],
        ];
    }

    private function noteIn(Language $language): string
    {
        return match ($this->note) {
            '' => '',
            'note.gone' => $language->say($this->note, when: $language->date($this->noted)),
            default => $language->say($this->note, when: $language->time($this->noted)),
        };
    }

    private function status(Language $language, array $account): array
    {
        $status = self::text($account['status'] ?? null);
        return [
            'label' => $language->say('status'),
            'text' => $language->word('status', $status),
            'tone' => ['active' => 'success', 'suspended' => 'danger'][$status] ?? 'warning',
        ];
    }

    /** Who holds the account, and why. */
    private function reasons(Language $language, array $account): ?array
    {
        $reasons = [];
        foreach (is_array($account['holds'] ?? null) ? $account['holds'] : [] as $hold) {
            $reason = self::text($hold['reason'] ?? null);
            $who = $language->word('hold', self::text($hold['hold'] ?? null));
            $reasons[] = $reason === '' ? $who : "$who: $reason";
        }
        return $reasons === [] ? null : ['label' => $language->say('reason'), 'values' => $reasons];
    }

    private function bars(Language $language, Usage $usage): array
    {
        return [
            self::bar($language, $language->say('disk'), $usage->diskBytes, $usage->diskLimitBytes(), $usage->diskAtLeast),
            self::bar($language, $language->say('traffic'), $usage->trafficBytes, $usage->trafficLimitBytes()),
        ];
    }

    private static function bar(Language $language, string $label, ?int $used, int $limit, bool $atLeast = false): array
    {
        $size = $language->size($used ?? 0);
        $shown = $atLeast ? $language->say('at_least', size: $size) : $size;
        $percent = $used === null || $limit === 0 ? 0 : (int) min(100, round(100 * $used / $limit));
        return [
            'label' => $label,
            'text' => match (true) {
                $used === null => $language->say('not_measured'),
                $limit === 0 => $language->say('used_unlimited', used: $shown),
                default => $language->say('used_of', used: $shown, limit: $language->size($limit)),
            },
            'percent' => $percent,
            'tone' => $percent >= 90 ? 'danger' : ($percent >= 75 ? 'warning' : 'success'),
        ];
    }

    /** The version that runs; what was chosen, while a server does not say. */
    private static function php(Language $language, array $account): ?string
    {
        $runs = self::text($account['php_runs'] ?? null);
        $choice = self::text($account['php_version'] ?? null);
        return match (true) {
            $runs !== '' => $runs,
            $choice === 'newest' => $language->say('php_newest'),
            default => $choice,
        };
    }

    private function rows(Language $language, array $account): array
    {
        $values = [
            'domain' => [$account['domain'] ?? null],
            'username' => [$account['username'] ?? null],
            'addresses' => [...self::list($account['ipv4'] ?? null), ...self::list($account['ipv6'] ?? null)],
            'nameservers' => self::list($account['nameservers'] ?? null),
            'php_version' => [self::php($language, $account)],
        ];
        $rows = [];
        foreach ($values as $key => $texts) {
            $texts = array_values(array_filter(array_map(self::text(...), $texts), static fn (string $text) => $text !== ''));
            if ($texts !== []) {
                $rows[] = ['label' => $language->say($key), 'values' => $texts];
            }
        }
        return $rows;
    }

    /**
     * Links that make WHMCS call ServiceSingleSignOn. It does so for services only: for an add-on the same link would
     * sign in to the account of the service that the add-on belongs to.
     */
    private function links(Language $language): array
    {
        if ($this->ref?->kind !== Ref::SERVICE) {
            return [];
        }
        $links = [];
        foreach (SignIn::TARGETS as $number => $target) {
            $links[] = [
                'label' => $language->say($number === 0 ? 'sign_in' : 'open.' . $target),
                'url' => 'clientarea.php?action=productdetails&id=' . $this->ref->id . '&dosinglesignon=1'
                    . ($number === 0 ? '' : '&' . Module::TARGET_PARAMETER . '=' . $target),
                'main' => $number === 0,
            ];
        }
        return $links;
    }

    private static function list(mixed $value): array
    {
        return is_array($value) ? array_values($value) : [];
    }

    private static function text(mixed $value): string
    {
        return is_scalar($value) ? (string) $value : '';
    }
}
