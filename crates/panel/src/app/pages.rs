//! The pages that the host puts before visitors of suspended and of new sites.

use std::sync::Arc;

use opterius_model::{Pages, RequestId, SuspensionPage, WelcomePage};

use super::{AppError, Caller, Edit, Version, record, still};
use crate::core::Core;
use crate::store::{self, setting};
use crate::tasks;

/// Which of the pages are to be others. One that is cleared is as it is built in.
#[derive(Debug, Default)]
pub(crate) struct PagesChange {
    pub(crate) suspension: Edit<SuspensionPage>,
    pub(crate) welcome: Edit<WelcomePage>,
}

/// What a form shows of the pages.
pub(crate) fn pages_version(pages: &Pages) -> Version {
    Version::of(pages)
}

/// The host's own pages.
pub(crate) async fn pages(core: &Core) -> Result<Pages, AppError> {
    Ok(setting::pages(core.store.read()).await?)
}

/// Sets pages, and sends them to the servers: that of suspended sites shows at once, that of new sites in those that are made from now on. A
/// server that cannot be reached gets them when it answers again.
pub(crate) async fn change_pages(
    core: &Arc<Core>,
    caller: &Caller,
    change: PagesChange,
    seen: Option<&Version>,
    request: &RequestId,
) -> Result<Pages, AppError> {
    let mut write = core.store.write().await?;
    let before = setting::pages(&mut *write).await?;
    still("The pages", seen, &pages_version(&before))?;
    let pages = Pages { suspension: change.suspension.of(before.suspension.clone()), welcome: change.welcome.of(before.welcome.clone()) };
    setting::set_pages(&mut write, &pages).await?;
    record::done(&mut write, core, caller, "settings.pages.change", request, difference(&before, &pages)).await?;
    store::commit(write).await?;
    tasks::ask_servers_now(core);
    Ok(pages)
}

/// What was changed, in a sentence.
fn difference(before: &Pages, after: &Pages) -> String {
    let own = |title: Option<&str>| {
        title.map_or_else(|| "as it is built in".to_owned(), |title| format!("the host's own (\u{201c}{title}\u{201d})"))
    };
    let mut changes = Vec::new();
    if before.suspension != after.suspension {
        let title = after.suspension.as_ref().map(|page| page.title.as_str());
        changes.push(format!("the page of suspended sites is now {}", own(title)));
    }
    if before.welcome != after.welcome {
        changes.push(format!("the page of new sites is now {}", own(after.welcome.as_ref().map(|page| page.title.as_str()))));
    }
    if changes.is_empty() { "The pages were set as they were.".to_owned() } else { format!("The pages were set: {}.", changes.join("; ")) }
}
