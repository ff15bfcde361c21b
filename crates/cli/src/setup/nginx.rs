//! nginx: the probe's secret, and running with our configuration.

use std::time::Duration;

use super::progress::Progress;
use super::services::{self, News};
use crate::failure::Failure;
use crate::system::{ROOT, System, Written};

const PROBE: &str = "/etc/nginx/opterius/probe.conf";
const TEMPLATE: &str = "/usr/share/opterius-agent/nginx/probe.conf.in";
/// The whole configuration of nginx on our servers.
pub(crate) const CONFIGURATION: &str = "/etc/nginx/opterius/nginx.conf";

/// The secrets that nginx takes from the Agent now: one, or two while a new one takes the place of the old one.
pub(super) fn probe_secrets(system: &System) -> Result<Vec<String>, Failure> {
    let content = system.read(PROBE)?.unwrap_or_default();
    let between = |start: &str, end: &str| content.split_once(start)?.1.split_once(end).map(|(between, _)| between);
    // An earlier setup had the secret in the path.
    let secrets = between("\"^(?:", ")$\"").or_else(|| between("= /.opterius-probe/", " "));
    let usable = |text: &&str| text.len() >= 16 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    Ok(secrets.unwrap_or_default().split('|').filter(usable).map(str::to_owned).collect())
}

/// Has nginx serve the accounts' sites, and take these secrets from the Agent; waits until it does.
pub(super) async fn set_up(system: &System, secrets: &[String], progress: &mut Progress) -> Result<(), Failure> {
    let template = system
        .read(TEMPLATE)?
        .ok_or_else(|| Failure::new(format!("{TEMPLATE} is not there")).hint("install the package: `apt install opterius-agent`"))?;
    let written = system.write(PROBE, &template.replace("@SECRETS@", &secrets.join("|")), ROOT, 0o600)?;
    progress.file(PROBE, written);

    let said = system.run("/usr/sbin/nginx", &["-t", "-q", "-c", CONFIGURATION], Duration::from_mins(1)).await?;
    if !said.ok {
        return Err(Failure::new(format!("nginx refuses its configuration: {}", said.complaint))
            .hint(format!("mend what it names, and check with `nginx -t -c {CONFIGURATION}`; what runs now goes on running")));
    }
    progress.done("nginx accepts its configuration");

    // A master that was started from the stock configuration keeps it through a reload; only a restart brings it to ours.
    let news = match (running_configuration(system).as_deref(), written) {
        (Some(CONFIGURATION), Written::Kept) => News::None,
        (Some(CONFIGURATION), _) => News::Reload,
        _ => News::Restart,
    };
    let workers = workers(system);
    services::start(system, "nginx.service", news, progress).await?;
    if news == News::Reload {
        // systemctl does not wait for it: until new workers are there, the old ones go on taking requests.
        let hint = "see /var/log/opterius/nginx-error.log for why it keeps the configuration from before";
        services::until(system, "nginx with its new configuration", hint, async || {
            if workers.iter().any(|pid| takes_requests(system, pid)) {
                return Err(Failure::new("workers with the one from before still take requests"));
            }
            Ok(())
        })
        .await?;
    }
    services::until(system, "nginx on port 80", "see `journalctl -u nginx` and /var/log/opterius/nginx-error.log", async || {
        answers(system).await
    })
    .await?;
    progress.done("nginx answers");
    Ok(())
}

/// The pids of the workers that run now.
fn workers(system: &System) -> Vec<String> {
    let read = |path: &str| system.read(path).ok().flatten().unwrap_or_default();
    let pid = read("/run/nginx.pid");
    let pid = pid.trim();
    let children = if pid.is_empty() { String::new() } else { read(&format!("/proc/{pid}/task/{pid}/children")) };
    children.split_whitespace().map(str::to_owned).collect()
}

/// Whether a process is a worker that has not been told to end.
fn takes_requests(system: &System, pid: &str) -> bool {
    let title = system.read(&format!("/proc/{pid}/cmdline")).ok().flatten().unwrap_or_default();
    title.starts_with("nginx: worker process") && !title.contains("shutting down")
}

/// The configuration file of the nginx that runs now: its master shows its arguments as its title.
pub(crate) fn running_configuration(system: &System) -> Option<String> {
    let pid: u32 = system.read("/run/nginx.pid").ok()??.trim().parse().ok()?;
    let title = system.read(&format!("/proc/{pid}/cmdline")).ok()??.replace('\0', " ");
    let mut words = title.split_whitespace();
    words.find(|word| *word == "-c")?;
    words.next().map(str::to_owned)
}

/// Whether our catch-all answers: a name that nobody has is 404 there, and 200 (a welcome page) in the stock configuration.
async fn answers(system: &System) -> Result<(), Failure> {
    let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build().expect("a client without TLS");
    let answer = http
        .get(format!("http://{}/", system.web))
        .header("host", "nobody-has-this-name.example")
        .send()
        .await
        .map_err(|error| Failure::network("it could not be asked", &error))?;
    match answer.status().as_u16() {
        404 => Ok(()),
        other => Err(Failure::new(format!("it answered {other} for a host that nobody has, so it does not run with {CONFIGURATION}"))
            .hint("see which server listens on port 80: `ss -ltnp 'sport = :80'`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// A directive of nginx's with its words, and what is in its braces.
    #[derive(Debug)]
    struct Directive {
        words: Vec<String>,
        block: Vec<Directive>,
    }

    impl Directive {
        fn name(&self) -> &str {
            &self.words[0]
        }

        /// Those of a name at any depth.
        fn all<'a>(directives: &'a [Self], name: &str) -> Vec<&'a Self> {
            let found = |directive: &'a Self| {
                let own = (directive.name() == name).then_some(directive);
                own.into_iter().chain(Self::all(&directive.block, name)).collect::<Vec<_>>()
            };
            directives.iter().flat_map(found).collect()
        }
    }

    /// Reads nginx's own form: words in quotes or not, `#` to the end of a line, `;` and braces.
    fn parse(text: &str) -> Vec<Directive> {
        let mut stack: Vec<(Vec<String>, Vec<Directive>)> = vec![(Vec::new(), Vec::new())];
        let mut words: Vec<String> = Vec::new();
        let mut characters = text.chars().peekable();
        while let Some(character) = characters.next() {
            match character {
                '#' => while characters.next_if(|next| *next != '\n').is_some() {},
                ';' | '}' | '{' => {
                    let whole = std::mem::take(&mut words);
                    match character {
                        '{' => stack.push((whole, Vec::new())),
                        ';' => stack.last_mut().expect("open").1.push(Directive { words: whole, block: Vec::new() }),
                        _ => {
                            let (words, block) = stack.pop().expect("braces match");
                            stack.last_mut().expect("braces match").1.push(Directive { words, block });
                        }
                    }
                }
                quote @ ('"' | '\'') => {
                    let mut word = String::new();
                    while let Some(next) = characters.next_if(|next| *next != quote) {
                        word.push(next);
                        if next == '\\' {
                            word.extend(characters.next());
                        }
                    }
                    characters.next();
                    words.push(word);
                }
                _ if character.is_whitespace() => {}
                _ => {
                    let mut word = String::from(character);
                    // A brace within a word is a variable's or a pattern's.
                    while let Some(next) = characters.next_if(|next| !next.is_whitespace() && *next != ';') {
                        word.push(next);
                    }
                    words.push(word);
                }
            }
        }
        assert_eq!((stack.len(), words.len()), (1, 0), "braces match");
        stack.pop().expect("the file").1
    }

    /// The files of the configuration, without the probe's placeholders.
    fn configuration() -> BTreeMap<&'static str, Vec<Directive>> {
        [
            ("nginx.conf", include_str!("../../../../packaging/nginx/nginx.conf")),
            ("http.conf", include_str!("../../../../packaging/nginx/http.conf")),
            ("site.conf", include_str!("../../../../packaging/nginx/site.conf")),
            ("php.conf", include_str!("../../../../packaging/nginx/php.conf")),
            ("fastcgi.conf", include_str!("../../../../packaging/nginx/fastcgi.conf")),
            ("probe.conf", include_str!("../../../../packaging/nginx/probe.conf.in")),
        ]
        .map(|(name, text)| (name, parse(text)))
        .into()
    }

    fn locations(configuration: &BTreeMap<&'static str, Vec<Directive>>) -> Vec<(&'static str, String, Vec<String>)> {
        let mut found = Vec::new();
        for (file, directives) in configuration {
            for location in Directive::all(directives, "location") {
                let body = location.block.iter().map(|directive| directive.words.join(" ")).collect();
                found.push((*file, location.words[1..].join(" "), body));
            }
        }
        assert!(found.len() >= 8, "the locations were found: {}", found.len());
        found
    }

    #[test]
    fn how_a_request_is_passed_to_php_is_said_at_one_place() {
        let configuration = configuration();
        // What a location says of its own: how the script is found, and what PHP is told.
        let own = ["fastcgi_param", "fastcgi_split_path_info", "fastcgi_pass_request_headers", "fastcgi_pass_request_body"];
        for (file, directives) in configuration.iter().filter(|(file, _)| **file != "php.conf") {
            let mut open: Vec<&Directive> = directives.iter().collect();
            while let Some(directive) = open.pop() {
                let name = directive.name();
                assert!(!name.starts_with("fastcgi_") || own.contains(&name), "{file}: {name}");
                for other in
                    ["proxy_", "uwsgi_", "scgi_", "grpc_", "memcached_", "ssi", "perl", "mirror", "auth_request", "client_body_in_"]
                {
                    assert!(!name.starts_with(other), "{file}: {name} has files, limits or trust that nobody has thought of");
                }
                open.extend(&directive.block);
            }
        }
        let php = &configuration["php.conf"];
        let said = |name: &str| Directive::all(php, name).iter().map(|directive| directive.words[1..].join(" ")).collect::<Vec<_>>();
        assert_eq!(said("fastcgi_pass"), ["unix:$site/php.sock"]);
        for header in ["X-Accel-Redirect", "X-Accel-Expires", "X-Accel-Limit-Rate", "X-Accel-Charset"] {
            assert!(said("fastcgi_ignore_headers")[0].contains(header), "{header}");
        }
        assert!(said("fastcgi_param").contains(&"HTTP_X_OPTERIUS_PROBE  if_not_empty".to_owned()), "the secret is blanked");
        let passing: Vec<_> = locations(&configuration)
            .into_iter()
            .filter(|(_, _, body)| body.contains(&"include /etc/nginx/opterius/php.conf".to_owned()))
            .collect();
        assert_eq!(passing.iter().map(|(file, ..)| *file).collect::<Vec<_>>(), ["probe.conf", "site.conf"]);
        for (file, location, body) in passing {
            assert!(!body.iter().any(|line| line.starts_with("error_log") || line.starts_with("limit_conn ")), "{file}: {location}");
        }
    }

    #[test]
    fn every_location_that_can_serve_a_file_checks_links() {
        let configuration = configuration();
        for (file, location, body) in locations(&configuration) {
            let says = |start: &str| body.iter().any(|line| line.starts_with(start));
            assert!(!says("alias") && !says("autoindex") && !says("disable_symlinks off"), "{file}: {location}");
            // What it remembers is served for a while: never a page of the host's, a challenge or a probe.
            assert!(!says("open_file_cache") || ["/", r"~ \.php(?:/|$)"].contains(&&*location), "{file}: {location}");
            // What strangers ask is logged and counted.
            assert!(!says("access_log"), "{file}: {location}");
            // A limit here would take the place of all that the server has, and not count for what a redirect leads to.
            assert!(!says("limit_conn ") && !says("limit_req "), "{file}: {location}");
            let only_returns = body.iter().all(|line| line.starts_with("return "));
            // What goes to PHP without a look at a file: the probe.
            let only_passes = says("include /etc/nginx/opterius/php.conf") && !says("try_files");
            let checks = body.iter().any(|line| line.starts_with("disable_symlinks ") && line.contains(" from=/var/lib/opterius"));
            assert!(only_returns || only_passes || checks, "{file}: location {location} checks no links");
            if body.iter().any(|line| line.contains("sites/$site/home")) {
                assert!(says("disable_symlinks if_not_owner from=/var/lib/opterius/sites/$site/home"), "{file}: {location}");
            }
        }
        // At server level the look-ups of the site itself would fail with it, and a cache would outlive a suspension.
        for name in ["open_file_cache", "disable_symlinks"] {
            for (file, directives) in &configuration {
                let inside: usize =
                    Directive::all(directives, "location").iter().map(|location| Directive::all(&location.block, name).len()).sum();
                assert_eq!(Directive::all(directives, name).len(), inside, "{file}: {name}");
            }
        }
    }

    /// The number that a limit has.
    fn limit(configuration: &BTreeMap<&'static str, Vec<Directive>>, zone: &str) -> u64 {
        let limits = Directive::all(&configuration["site.conf"], "limit_conn");
        let found = limits.iter().find(|limit| limit.words[1] == zone).unwrap_or_else(|| panic!("{zone}"));
        found.words[2].parse().expect("a number")
    }

    #[test]
    fn what_visitors_and_customers_can_keep_on_the_disk_is_what_is_written_down() {
        const KIB: u64 = 1024;
        let configuration = configuration();
        let limit = |zone: &str| limit(&configuration, zone);
        let value = |file: &str, name: &str| Directive::all(&configuration[file], name)[0].words[1].clone();
        let kib = |text: &str| match text.split_at(text.len() - 1) {
            (number, "k") => number.parse::<u64>().expect("a number") * KIB,
            (number, "m") => number.parse::<u64>().expect("a number") * KIB * KIB,
            _ => panic!("{text}"),
        };
        let large = kib(&value("http.conf", "client_max_body_size"));
        let small = 9_999_999;
        let answer = kib(&value("php.conf", "fastcgi_max_temp_file_size")) + kib(&value("php.conf", "fastcgi_temp_file_write_size"));
        // Bodies that are counted nowhere stay in memory.
        assert!(kib(&value("http.conf", "client_body_buffer_size")) > 9_999);
        let mib = |bytes: u64| bytes / KIB / KIB;
        let everybody = limit("opterius_large") * large + limit("opterius_small") * small + limit("opterius_server") * answer;
        assert!(mib(everybody) < 17_700, "{}", mib(everybody));
        let site = limit("opterius_large_site") * large + limit("opterius_small_site") * small + limit("opterius_site") * answer;
        assert!(mib(site) < 2600, "{}", mib(site));
        let visitor = limit("opterius_large_visitor") * large + limit("opterius_small_visitor") * small;
        assert!(mib(visitor) < 600, "{}", mib(visitor));
        // One of a kind cannot take all of it.
        for size in ["large", "small"] {
            assert!(limit(&format!("opterius_{size}_site")) * 4 <= limit(&format!("opterius_{size}")), "{size}");
            assert!(limit(&format!("opterius_{size}_visitor")) * 2 <= limit(&format!("opterius_{size}_site")), "{size}");
            assert!(limit(&format!("opterius_{size}_visitor")) * 16 <= limit(&format!("opterius_{size}")), "{size}");
        }
    }

    #[test]
    fn the_secrets_are_read_from_what_this_and_an_earlier_setup_wrote() {
        let (_root, system) = System::for_a_test();
        assert!(probe_secrets(&system).expect("no file").is_empty());
        system.directory("/etc/nginx/opterius").expect("a directory");
        let (one, two) = ("a".repeat(43), "b-_".repeat(10));
        let template = include_str!("../../../../packaging/nginx/probe.conf.in");
        for (content, secrets) in [
            (template.replace("@SECRETS@", &one), vec![&one]),
            (template.replace("@SECRETS@", &format!("{one}|{two}")), vec![&one, &two]),
            (format!("location = /.opterius-probe/{one} {{\n    if ($http_x_opterius_probe != \"{one}\") {{ return 404; }}\n"), vec![&one]),
            (template.replace("@SECRETS@", "a) or ("), vec![]),
        ] {
            system.write(PROBE, &content, ROOT, 0o600).expect("written");
            assert_eq!(probe_secrets(&system).expect("read").iter().collect::<Vec<_>>(), secrets, "{content}");
        }
    }
}
