//! Visitors who ask for the same pages over and over while something else goes on, and must notice nothing.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::server::Server;

/// A page and what it says.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// The site.
    pub host: &'a str,
    /// What is asked for.
    pub target: &'a str,
    /// The whole of its body.
    pub body: &'a str,
}

/// How many answers visitors had.
#[derive(Debug, Default)]
pub struct Visits(AtomicUsize);

impl Visits {
    /// So many, so far.
    pub fn so_far(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

/// Tells visitors to go home, also when a test fails while they are there.
struct GoHome<'a>(&'a AtomicBool);

impl Drop for GoHome<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Server {
    /// Has so many visitors ask for these pages in turns while `meanwhile` runs, each request on a connection of its own.
    ///
    /// # Panics
    /// When one request is not answered with 200 and the whole page.
    pub fn visited<T>(&self, visitors: usize, pages: &[Page<'_>], meanwhile: impl FnOnce(&Visits) -> T) -> T {
        let (over, visits) = (AtomicBool::new(false), Visits::default());
        std::thread::scope(|scope| {
            let visitors: Vec<_> = (0..visitors)
                .map(|_| {
                    scope.spawn(|| {
                        for page in pages.iter().cycle() {
                            if over.load(Ordering::Relaxed) {
                                break;
                            }
                            let reply = self.get(page.host, page.target);
                            assert_eq!((reply.status, reply.text().as_str()), (200, page.body), "{page:?}: {}", reply.head);
                            visits.0.fetch_add(1, Ordering::Relaxed);
                        }
                    })
                })
                .collect();
            let home = GoHome(&over);
            let done = meanwhile(&visits);
            drop(home);
            for visitor in visitors {
                visitor.join().expect("no request failed");
            }
            assert!(visits.so_far() > 0, "somebody was there");
            done
        })
    }
}
