//! Which PHPs there are, and which pools are to run one of them and not the newest.

use opterius_model::{PhpVersion, Username};
use opterius_protocol::phpd::PinnedPools;

use super::answers::Answers;
use super::report::Report;

const CHECK: &str = "PHP";

/// Whether every pool has the PHP that it is to have; and who is to have one version, which an upgrade of the server may take away.
pub(super) fn php(answers: &Answers, report: &mut Report) {
    // A phpd that does not answer is told of elsewhere, and one of an earlier version does not say.
    let Some((there, pinned)) = answers.phpd.as_ref().ok().and_then(|health| Some((health.php_versions.as_ref()?, &health.pinned))) else {
        return;
    };
    if there.is_empty() {
        return report.problem(CHECK, "no PHP is installed, so that no site's PHP answers", "run `apt install php-fpm`");
    }
    let versions: Vec<&str> = there.iter().map(PhpVersion::as_str).collect();
    report.ok(CHECK, format!("installed: {}", versions.join(", ")));
    for of in pinned {
        let (version, who) = (&of.version, who(of));
        match &of.runs {
            Some(runs) if runs != version => report.problem(
                CHECK,
                format!("PHP {version} is not installed, and PHP {runs} answers in its place for {who}"),
                format!("see that these sites work with PHP {runs} and run `opterius account php NAME newest` for each, or run `apt install php{version}-fpm`"),
            ),
            _ => report.ok(
                CHECK,
                format!("PHP {version} and no other is chosen for {who}: once it is removed, as by an upgrade of Debian, another one answers; `opterius account php NAME newest` chooses whatever is newest"),
            ),
        }
    }
}

/// How many, and the first of them by name.
fn who(of: &PinnedPools) -> String {
    let some: Vec<&str> = of.usernames.iter().map(Username::as_str).collect();
    let more = of.pools.saturating_sub(some.len() as u64);
    if more == 0 { some.join(", ") } else { format!("{} and {more} more", some.join(", ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::answers::Myself;
    use super::super::report::Level;
    use super::*;

    fn told(versions: &serde_json::Value, pinned: &serde_json::Value) -> Vec<(Level, String, Option<String>)> {
        let phpd = json!({
            "version": "1", "pools": 12, "running": 0, "backing_off": [], "cgroups": "", "php_versions": versions, "pinned": pinned,
        });
        let answers = Answers {
            agent: Err("not asked".to_owned()),
            drift: None,
            phpd: serde_json::from_value(phpd).map_err(|error| error.to_string()),
            panel: Ok(Myself { version: "1".to_owned() }),
        };
        let mut report = Report::default();
        php(&answers, &mut report);
        report.0.into_iter().map(|finding| (finding.level, finding.detail, finding.hint)).collect()
    }

    #[test]
    fn who_lost_a_version_is_a_problem_and_who_could_lose_one_is_named() {
        let of = |version: &str, runs: &str| json!({ "version": version, "runs": runs, "pools": 12, "usernames": ["alice", "bob"] });
        let found = told(&json!(["8.4", "8.2"]), &json!([of("8.2", "8.2"), of("8.1", "8.2")]));
        assert_eq!((found[0].0, found[0].1.as_str()), (Level::Ok, "installed: 8.4, 8.2"));
        assert!(found[1].0 == Level::Ok && found[1].1.contains("PHP 8.2 and no other is chosen for alice, bob and 10 more"), "{found:?}");
        assert_eq!(
            (found[2].0, found[2].1.as_str()),
            (Level::Problem, "PHP 8.1 is not installed, and PHP 8.2 answers in its place for alice, bob and 10 more")
        );
        assert!(found[2].2.as_ref().is_some_and(|hint| hint.contains("opterius account php NAME newest")), "{found:?}");
    }

    #[test]
    fn without_any_php_that_is_one_problem_and_an_earlier_phpd_does_not_say() {
        let found = told(&json!([]), &json!([{ "version": "8.2", "runs": null, "pools": 1, "usernames": ["alice"] }]));
        assert!(found.len() == 1 && found[0].0 == Level::Problem && found[0].1.contains("no PHP is installed"), "{found:?}");
        assert!(told(&serde_json::Value::Null, &json!([])).is_empty());
    }
}
