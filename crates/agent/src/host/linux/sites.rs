//! Site entries: a directory that root owns, and a link by which nginx finds it. Both come and go by one rename each, so that a visitor
//! meets a whole entry or none; nginx needs no reload. What is being made is staged outside `sites/`, where nginx would serve it.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown, symlink};
use std::path::{Path, PathBuf};

use opterius_model::{AccountId, DomainName, Generation, PoolName, Username};
use opterius_protocol::bounded;
use opterius_protocol::phpd::socket_path;
use rustix::fs::{CWD, RenameFlags};

use super::{Paths, disk, homes, tree};
use crate::host::{EntryPlan, HostError, SiteSeen};

/// The file that holds the account's id.
const MARK: &str = "account";

/// An account has one entry a site, and one more while that is replaced.
const MOST_ENTRIES: usize = 100_000;

/// The empty file that makes nginx answer 503. Not a link to the page: the site would come alive again if somebody deleted that.
const SUSPENDED: &str = "suspended";

fn link(paths: &Paths, site: &DomainName) -> PathBuf {
    paths.web.join("sites").join(site.as_str())
}

fn entries(paths: &Paths, account: AccountId) -> PathBuf {
    paths.web.join("entries").join(account.to_string())
}

fn staging(paths: &Paths, account: AccountId) -> PathBuf {
    paths.web.join("staging").join(account.to_string())
}

fn entry_name(site: &DomainName, generation: Generation) -> String {
    format!("{site}.g{generation}")
}

pub(super) fn see(paths: &Paths, site: &DomainName) -> Result<Option<SiteSeen>, HostError> {
    let target = match fs::read_link(link(paths, site)) {
        Ok(target) => target,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        // Something that is no link.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => return Ok(Some(SiteSeen { entry: None, account: None })),
        Err(error) => return Err(HostError::failed(format!("look at the site {site}"))(error)),
    };
    let account = target.to_str().and_then(|target| {
        let (account, _) = target.strip_prefix("../entries/")?.split_once('/')?;
        AccountId::parse(account).ok()
    });
    Ok(Some(SiteSeen { entry: account.and_then(|account| read_entry(paths, site, account, &target)), account }))
}

/// The entry behind a site's link, if it is whole.
fn read_entry(paths: &Paths, site: &DomainName, account: AccountId, target: &Path) -> Option<EntryPlan> {
    let generation = target.file_name()?.to_str()?.strip_prefix(site.as_str())?.strip_prefix(".g")?.parse().ok()?;
    let generation = Generation::from_stored(generation);
    let entry = entries(paths, account).join(entry_name(site, generation));
    let mark = disk::read_mark(&entry.join(MARK));
    let home = fs::read_link(entry.join("home")).ok()?;
    let socket = fs::read_link(entry.join("php.sock")).ok()?;
    let username = Username::parse(home.strip_prefix(&paths.homes).ok()?.to_str()?).ok()?;
    let pool = PoolName::parse(socket.file_stem()?.to_str()?).ok()?;
    let whole = mark == Some(account) && socket == Path::new(&socket_path(account, &pool));
    let web = homes::web_group().ok()?;
    let readable = [&entries(paths, account), &entry].into_iter().all(|path| is_readable_to_nginx(path, web));
    // As nginx looks, which follows links.
    let suspended = fs::metadata(entry.join(SUSPENDED)).is_ok_and(|found| found.is_file());
    (whole && readable).then(|| EntryPlan { account, site: site.clone(), generation, username, pool, suspended })
}

fn is_readable_to_nginx(path: &Path, web: u32) -> bool {
    fs::symlink_metadata(path).is_ok_and(|found| found.is_dir() && (found.uid(), found.gid(), found.mode() & 0o7777) == (0, web, 0o750))
}

pub(super) fn hold(paths: &Paths, plan: &EntryPlan) -> Result<(), HostError> {
    let doing = if plan.suspended { format!("suspend the site {}", plan.site) } else { format!("lift the suspension of {}", plan.site) };
    let seen = see(paths, &plan.site)?.and_then(|seen| seen.entry);
    let Some(entry) = seen.filter(|entry| entry.account == plan.account) else {
        return Err(HostError::Taken { what: format!("another site {}", plan.site) });
    };
    let file = entries(paths, plan.account).join(entry_name(&plan.site, entry.generation)).join(SUSPENDED);
    let done = if plan.suspended {
        mark_suspended(&file)
    } else {
        match fs::remove_file(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    };
    done.map_err(HostError::failed(doing))
}

fn mark_suspended(file: &Path) -> io::Result<()> {
    match fs::symlink_metadata(file) {
        Ok(found) if found.is_file() => return Ok(()),
        // What suspends no site: a directory, or a link that leads nowhere.
        Ok(found) if found.is_dir() => tree::remove(file)?,
        Ok(_) => fs::remove_file(file)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(file) {
        // A name in a directory that has room for one needs neither a block nor an inode.
        Err(error) if disk::is_full(&error) => fs::hard_link(file.with_file_name(MARK), file),
        made => made.map(drop),
    }
}

pub(super) fn put(paths: &Paths, plan: &EntryPlan) -> Result<(), HostError> {
    let doing = || format!("put the entry of {} in place", plan.site);
    let link = link(paths, &plan.site);
    let theirs = see(paths, &plan.site)?.filter(|seen| seen.account != Some(plan.account));
    let taken = || HostError::Taken { what: format!("a site {}", plan.site) };
    if theirs.is_some() {
        return Err(taken());
    }
    let web = homes::web_group()?;
    let place = || -> io::Result<()> {
        let staging = staging(paths, plan.account);
        tree::remove(&staging)?;
        disk::ensure_dir(&paths.web.join("staging"), 0o700)?;
        disk::ensure_dir(&staging, 0o700)?;
        build(&staging.join("entry"), paths, plan, web)?;

        let entries = entries(paths, plan.account);
        make_readable_to_nginx(&entries, web)?;
        let name = entry_name(&plan.site, plan.generation);
        // Exchanged where an entry of this name is there already, perhaps damaged, so that the site has one at every moment.
        let flags = if disk::is_there(&entries.join(&name))? { RenameFlags::EXCHANGE } else { RenameFlags::NOREPLACE };
        rustix::fs::renameat_with(CWD, staging.join("entry"), CWD, entries.join(&name), flags)?;

        symlink(Path::new("../entries").join(plan.account.to_string()).join(&name), staging.join("link"))?;
        if disk::is_there(&link)? {
            fs::rename(staging.join("link"), &link)?;
        } else {
            disk::rename_exclusively(&staging.join("link"), &link)?;
        }
        for older in bounded::names(&entries, MOST_ENTRIES)?.into_iter().filter(|entry| entry.to_str() != Some(name.as_str())) {
            tree::remove(&entries.join(older))?;
        }
        tree::remove(&staging)
    };
    place().map_err(|error| if error.kind() == io::ErrorKind::AlreadyExists { taken() } else { HostError::failed(doing())(error) })
}

/// Makes a directory that root owns and nginx's workers may enter.
fn make_readable_to_nginx(path: &Path, web: u32) -> io::Result<()> {
    match fs::DirBuilder::new().mode(0o700).create(path) {
        // Whoever has it now, it becomes root's; a link is not opened.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let directory = fs::File::from(disk::open_dir(path)?);
    fchown(&directory, Some(0), Some(web))?;
    directory.set_permissions(fs::Permissions::from_mode(0o750))
}

fn build(entry: &Path, paths: &Paths, plan: &EntryPlan, web: u32) -> io::Result<()> {
    make_readable_to_nginx(entry, web)?;
    symlink(paths.homes.join(plan.username.as_str()), entry.join("home"))?;
    symlink(socket_path(plan.account, &plan.pool), entry.join("php.sock"))?;
    if plan.suspended {
        fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(entry.join(SUSPENDED))?;
    }
    disk::write_mark(&entry.join(MARK), plan.account)
}

pub(super) fn has_entries(paths: &Paths, account: AccountId) -> Result<bool, HostError> {
    let look = || Ok::<_, io::Error>(disk::is_there(&entries(paths, account))? || disk::is_there(&staging(paths, account))?);
    look().map_err(HostError::failed(format!("look for entries of account {account}")))
}

pub(super) fn remove(paths: &Paths, account: AccountId, site: &DomainName) -> Result<(), HostError> {
    let doing = || format!("remove the entry of {site}");
    if see(paths, site)?.is_some_and(|seen| seen.account == Some(account)) {
        fs::remove_file(link(paths, site)).map_err(HostError::failed(doing()))?;
    }
    tree::remove(&entries(paths, account)).map_err(HostError::failed(doing()))?;
    tree::remove(&staging(paths, account)).map_err(HostError::failed(doing()))
}
