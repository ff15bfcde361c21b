//! How far the Panel's Activity had come, hour by hour, kept where the Panel cannot change it: whoever rewrites its history there has rewritten
//! none of this. Heads are only ever added; what is wrong with them is for `opterius activity verify` to say.

use opterius_protocol::Micros;
use opterius_protocol::agent::{ActivityHead, HeadPage, NotedHead};

use super::Engine;
use crate::host::HostError;

/// So many of the newest are always kept.
const NEWEST: usize = 10_000;

/// With more than so many, every second of those before the newest goes, and the first one stays. With one an hour that begins after two years,
/// and what is older gets sparser the older it is.
const MOST: usize = 2 * NEWEST;

impl Engine {
    /// Remembers a head, on the disk and in the journal.
    pub async fn note_head(&self, head: ActivityHead) -> Result<NotedHead, HostError> {
        let _turn = self.inner.heads.lock().await;
        let (mut heads, _) = read(&self.host().heads().await?);
        let last = heads.last();
        if let Some(last) = last.filter(|last| last.head == head) {
            return Ok(last.clone());
        }
        if let Some(last) = last.filter(|last| last.head.row >= head.row) {
            tracing::warn!(
                activity.row = head.row,
                "the Panel's Activity ends at row {}, and had row {} before: the Panel was restored from a backup, or its history was rewritten",
                head.row,
                last.head.row
            );
        }
        let noted = NotedHead { number: last.map_or(1, |last| last.number + 1), noted_at: Micros::now(), head };
        if heads.len() < MOST {
            self.host().append_head(&line(&noted)).await?;
        } else {
            heads.push(noted.clone());
            self.host().replace_heads(&thinned(heads).iter().map(line).collect::<String>()).await?;
        }
        let ActivityHead { row, hash, rows, .. } = &noted.head;
        tracing::info!(activity.row = row, activity.hash = %hash, activity.rows = rows, "noted the head of the Activity: row {row}, {hash}");
        Ok(noted)
    }

    /// At most `limit` heads behind the one of the number `after`.
    pub async fn heads(&self, after: u64, limit: usize) -> Result<HeadPage, HostError> {
        let (heads, unreadable) = read(&self.host().heads().await?);
        let total = heads.len() as u64;
        Ok(HeadPage { heads: heads.into_iter().filter(|noted| noted.number > after).take(limit).collect(), total, unreadable })
    }
}

/// Every line that is a head, and how many are none.
fn read(text: &str) -> (Vec<NotedHead>, u64) {
    let (heads, broken): (Vec<_>, Vec<_>) = text.lines().map(serde_json::from_str::<NotedHead>).partition(Result::is_ok);
    (heads.into_iter().flatten().collect(), broken.len() as u64)
}

fn line(noted: &NotedHead) -> String {
    let mut line = serde_json::to_string(noted).expect("a head is numbers and a text");
    line.push('\n');
    line
}

fn thinned(mut heads: Vec<NotedHead>) -> Vec<NotedHead> {
    let newest = heads.split_off(heads.len().saturating_sub(NEWEST));
    heads.into_iter().step_by(2).chain(newest).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::host::fake::FakeHost;

    fn head(row: u64) -> ActivityHead {
        ActivityHead { row, hash: format!("{row:064x}"), rows: row, key: None, removed: None }
    }

    #[tokio::test]
    async fn heads_are_only_ever_added_and_told_page_by_page() {
        let host = FakeHost::new();
        let engine = Engine::load(Arc::new(host.clone())).await.unwrap();
        for row in [5, 5, 9, 7] {
            engine.note_head(head(row)).await.unwrap();
        }
        let rows = |page: &HeadPage| page.heads.iter().map(|noted| (noted.number, noted.head.row)).collect::<Vec<_>>();
        let page = engine.heads(0, 2).await.unwrap();
        assert_eq!((rows(&page), page.total, page.unreadable), (vec![(1, 5), (2, 9)], 3, 0));
        assert_eq!(rows(&engine.heads(2, 2).await.unwrap()), [(3, 7)]);

        host.files().heads.push_str("{\"number\":4,\"row");
        engine.note_head(head(10)).await.unwrap();
        let page = engine.heads(3, 9).await.unwrap();
        assert_eq!((rows(&page), page.total, page.unreadable), (vec![(4, 10)], 4, 1), "what a power cut broke off costs one line");
    }

    #[tokio::test]
    async fn heads_from_before_keys_were_told_are_read() {
        let host = FakeHost::new();
        let old = format!("{{\"number\":1,\"noted_at\":1,\"row\":5,\"hash\":\"{:064x}\",\"rows\":5}}\n", 5);
        host.files().heads.clone_from(&old);
        let engine = Engine::load(Arc::new(host.clone())).await.unwrap();
        assert_eq!(engine.heads(0, 9).await.unwrap().heads[0].head, head(5));
        engine.note_head(ActivityHead { key: Some("k".to_owned()), removed: Some(3), ..head(5) }).await.unwrap();
        let page = engine.heads(1, 9).await.unwrap();
        assert_eq!((page.heads[0].number, page.heads[0].head.key.as_deref(), page.heads[0].head.removed), (2, Some("k"), Some(3)));
        assert!(host.files().heads.starts_with(&old), "what was written stays as it is");
    }

    #[tokio::test]
    async fn the_file_stays_bounded_and_keeps_the_first_and_the_newest() {
        let host = FakeHost::new();
        let noted = |number: u64| NotedHead { number, noted_at: Micros(1), head: head(number) };
        host.files().heads = (1..=MOST as u64).map(|number| line(&noted(number))).collect();
        let engine = Engine::load(Arc::new(host.clone())).await.unwrap();
        engine.note_head(head(MOST as u64 + 1)).await.unwrap();
        let (heads, _) = read(&host.files().heads);
        assert_eq!(heads.len(), NEWEST + NEWEST / 2 + 1);
        let numbers: Vec<u64> = heads.iter().map(|noted| noted.number).collect();
        assert_eq!(numbers[..3], [1, 3, 5]);
        let newest = MOST as u64 + 1;
        assert_eq!(numbers[numbers.len() - NEWEST..], (newest - NEWEST as u64 + 1..=newest).collect::<Vec<_>>());
        engine.note_head(head(newest + 1)).await.unwrap();
        assert_eq!(engine.heads(newest, 9).await.unwrap().heads[0].number, newest + 1);
    }
}
