//! The step `structure`: what holds of the house as a whole, and no compiler looks at.

mod arrows;
mod banned;
mod files;
mod graph;
mod ids;
mod licences;
mod links;
mod safety;
mod traces;
mod tree;

use std::path::Path;

use crate::command::Failed;
pub(crate) use graph::Graph;

/// Looks at everything and reports all that is wrong at once.
pub(crate) fn run(root: &Path) -> Result<(), Failed> {
    let graph = Graph::load(root)?;
    let files = tree::text_files(root)?;
    for note in files::long(&files) {
        println!("note: {note}");
    }
    let checks = [
        ("arrows between crates", arrows::check(&graph)),
        ("dependencies that mustn't be there", banned::check(&graph)),
        ("licences", licences::check(&graph)),
        ("lengths and names of files", files::check(&files)),
        ("ids of requirements", ids::check(&files)),
        ("links in documents", links::check(root, &files)),
        ("traces of machines and registries", traces::check(&files)),
        ("code that the compiler can't vouch for", safety::check(&graph, &files)),
    ];
    let mut wrong = 0;
    for (name, found) in &checks {
        println!("{name}: {}", if found.is_empty() { "fine".to_owned() } else { format!("{} wrong", found.len()) });
        found.iter().for_each(|one| println!("  {one}"));
        wrong += found.len();
    }
    if wrong == 0 { Ok(()) } else { Err(Failed::new(format!("{wrong} wrong, see above"))) }
}
