<?php

/** The classes of WHMCS that a module may use, with the methods that its public class documentation names. */

declare(strict_types=1);

namespace WHMCS\Service {
    use Opterius\Whmcs\StandIn\ServiceProperties;

    final class Status
    {
        public const PENDING = 'Pending';
        public const ACTIVE = 'Active';
        public const SUSPENDED = 'Suspended';
        public const TERMINATED = 'Terminated';
        public const CANCELLED = 'Cancelled';
        public const FRAUD = 'Fraud';
        public const COMPLETED = 'Completed';
    }

    /** A row under the names that WHMCS gives its columns: `nextDueDate` for `nextduedate`. */
    abstract class Record extends \Illuminate\Database\Eloquent\Model
    {
        public $timestamps = false;
        protected $guarded = [];

        public function getAttribute($key)
        {
            return parent::getAttribute(array_key_exists($key, $this->attributes) ? $key : self::named($key));
        }

        public function setAttribute($key, $value)
        {
            return parent::setAttribute(array_key_exists($key, $this->attributes) ? $key : self::named($key), $value);
        }

        private static function named(string $key): string
        {
            $relations = ['serviceProperties', 'productAddon', 'customFieldValues'];
            return in_array($key, $relations, true) ? $key : strtolower($key);
        }
    }

    abstract class Provisioned extends Record
    {
        private ?ServiceProperties $kept = null;

        /** The stand-in's own: so that a test sees what the module saves. */
        public function keepPropertiesIn(ServiceProperties $properties): void
        {
            $this->kept = $properties;
        }

        public function getAttribute($key)
        {
            return $key === 'serviceProperties'
                ? $this->kept ??= new ServiceProperties((int) $this->attributes['id'], $this instanceof Addon)
                : parent::getAttribute($key);
        }

        public function client(): \Illuminate\Database\Eloquent\Relations\BelongsTo
        {
            return $this->belongsTo(\WHMCS\User\Client::class, 'userid');
        }
    }

    class Service extends Provisioned
    {
        protected $table = 'tblhosting';

        public function product(): \Illuminate\Database\Eloquent\Relations\BelongsTo
        {
            return $this->belongsTo(\WHMCS\Product\Product::class, 'packageid');
        }

        public function addons(): \Illuminate\Database\Eloquent\Relations\HasMany
        {
            return $this->hasMany(Addon::class, 'hostingid');
        }
    }

    class Addon extends Provisioned
    {
        protected $table = 'tblhostingaddons';

        public function service(): \Illuminate\Database\Eloquent\Relations\BelongsTo
        {
            return $this->belongsTo(Service::class, 'hostingid');
        }
    }
}

namespace WHMCS\User {
    class Client extends \WHMCS\Service\Record
    {
        protected $table = 'tblclients';

        public function services(): \Illuminate\Database\Eloquent\Relations\HasMany
        {
            return $this->hasMany(\WHMCS\Service\Service::class, 'userid');
        }
    }
}

namespace WHMCS\Product {
    class Product extends \WHMCS\Service\Record
    {
        protected $table = 'tblproducts';
    }
}

namespace WHMCS\Config {
    use Opterius\Whmcs\StandIn\Whmcs;

    final class Setting
    {
        public static function getValue(string $setting): ?string
        {
            return Whmcs::current()->setting($setting);
        }

        public static function setValue(string $setting, string $value): void
        {
            Whmcs::current()->configure($setting, $value);
        }
    }
}

namespace WHMCS\Module {
    /** What a widget on the first page of the admin area extends. */
    abstract class AbstractWidget
    {
        protected $title = '';
        protected $description = '';
        protected $weight = 100;
        protected $columns = 1;
        protected $cache = false;
        protected $cacheExpiry = 120;
        protected $requiredPermission = '';

        abstract public function getData();

        abstract public function generateOutput($data);

        /** The stand-in's own. */
        final public function render(): string
        {
            return '<h3>' . $this->title . '</h3>' . $this->generateOutput($this->getData());
        }
    }
}

namespace WHMCS\Module\Server {
    final class CustomAction
    {
        private function __construct(
            private readonly string $identifier,
            private readonly string $display,
            private readonly mixed $callable,
            private readonly array $params,
            private readonly array $permissions,
            private readonly bool $active,
            private readonly bool $allowSamePage,
            private readonly bool $preferIsolation,
        ) {
        }

        public static function factory(
            string $identifier,
            string $display,
            callable|string $callable,
            array $params = [],
            array $permissions = [],
            bool $active = true,
            bool $allowSamePage = false,
            bool $preferIsolation = false,
        ): self {
            return new self(
                $identifier,
                $display,
                $callable,
                $params,
                $permissions,
                $active,
                $allowSamePage,
                $preferIsolation,
            );
        }

        public function getIdentifier(): string
        {
            return $this->identifier;
        }

        public function getDisplay(): string
        {
            return $this->display;
        }

        public function getPermissions(): array
        {
            return $this->permissions;
        }

        public function isActive(): bool
        {
            return $this->active;
        }

        public function isSamePageAllowed(): bool
        {
            return $this->allowSamePage;
        }

        public function prefersIsolation(): bool
        {
            return $this->preferIsolation;
        }

        public function invokeCallable(): array
        {
            return ($this->callable)(...$this->params);
        }
    }

    final class CustomActionCollection extends \Illuminate\Support\Collection
    {
    }
}

namespace WHMCS\UsageBilling\Contracts\Metrics {
    interface UnitInterface
    {
        public function name();
    }

    interface UsageInterface
    {
        public function value();
    }

    interface MetricInterface
    {
        public const TYPE_SNAPSHOT = 'snapshot';
        public const TYPE_PERIOD_DAY = 'day';
        public const TYPE_PERIOD_MONTH = 'month';

        public function usage();

        public function withUsage(?UsageInterface $usage = null);

        public function units();

        public function systemName();

        public function displayName();

        public function type();
    }

    interface ProviderInterface
    {
        public function metrics();

        public function usage();

        public function tenantUsage($tenant);
    }
}

namespace WHMCS\UsageBilling\Metrics {
    use WHMCS\UsageBilling\Contracts\Metrics\MetricInterface;
    use WHMCS\UsageBilling\Contracts\Metrics\UnitInterface;
    use WHMCS\UsageBilling\Contracts\Metrics\UsageInterface;

    class Usage implements UsageInterface
    {
        public function __construct(private readonly mixed $value)
        {
            if (!is_int($value) && !is_float($value) && !is_numeric($value)) {
                throw new \UnexpectedValueException('A usage must be a number.');
            }
        }

        public function value()
        {
            return $this->value;
        }
    }

    class Metric implements MetricInterface
    {
        public function __construct(
            private readonly string $systemName,
            private readonly string $displayName,
            private readonly string $type,
            private readonly UnitInterface $units,
            private ?UsageInterface $usage = null,
        ) {
        }

        public function usage()
        {
            return $this->usage;
        }

        public function withUsage(?UsageInterface $usage = null)
        {
            $with = clone $this;
            $with->usage = $usage;
            return $with;
        }

        public function units()
        {
            return $this->units;
        }

        public function systemName()
        {
            return $this->systemName;
        }

        public function displayName()
        {
            return $this->displayName;
        }

        public function type()
        {
            return $this->type;
        }
    }
}

namespace WHMCS\UsageBilling\Metrics\Units {
    use WHMCS\UsageBilling\Contracts\Metrics\UnitInterface;

    class FloatingPoint implements UnitInterface
    {
        public function __construct(private readonly string $name = '')
        {
        }

        public function name()
        {
            return $this->name;
        }
    }

    class WholeNumber extends FloatingPoint
    {
    }

    class Bytes extends FloatingPoint
    {
    }

    class KiloBytes extends Bytes
    {
    }

    class MegaBytes extends Bytes
    {
    }

    class GigaBytes extends Bytes
    {
    }

    class Accounts extends WholeNumber
    {
    }

    class Domains extends WholeNumber
    {
    }
}
