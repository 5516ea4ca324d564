//! Links between documents: what a page points to is there, and every page of docs/ is pointed to.

use std::path::Path;

use super::tree::TextFile;

/// Every relative link in a Markdown file whose file or heading isn't there, and every page that no index names.
pub(super) fn check(root: &Path, files: &[TextFile]) -> Vec<String> {
    let pages = || files.iter().filter(|file| is_page(&file.path));
    let broken = pages().flat_map(|page| {
        let broken = links(&page.text).into_iter().filter(|link| !resolves(root, files, page, link));
        broken.map(|link| format!("{} links to {link}, which isn't there", page.path))
    });
    let lost = pages().filter(|page| page.path.starts_with("docs/")).filter_map(|page| {
        let (folder, name) = page.path.rsplit_once('/')?;
        let index = format!("{folder}/README.md");
        let names = |file: &TextFile| file.path == index && links(&file.text).contains(&name);
        (name != "README.md" && !files.iter().any(names)).then(|| format!("{} isn't in {index}", page.path))
    });
    broken.chain(lost).collect()
}

fn is_page(path: &str) -> bool {
    path.ends_with(".md")
}

/// The relative targets of a page, code left out.
fn links(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    for line in prose(text) {
        let outside_code = line.split('`').step_by(2);
        for piece in outside_code.clone() {
            found.extend(piece.split("](").skip(1).filter_map(|rest| target(rest.split(')').next()?)));
        }
        // [name]: target
        let definition = line.trim_start().strip_prefix('[').and_then(|rest| rest.split_once("]: "));
        found.extend(definition.and_then(|(_, rest)| target(rest)));
    }
    found
}

/// The lines outside of fenced code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        code ^= fence;
        !code && !fence
    })
}

/// A target without its title, if it is a relative one.
fn target(text: &str) -> Option<&str> {
    let target = text.split_whitespace().next()?.trim_start_matches('<').trim_end_matches('>');
    (!target.contains("://") && !target.starts_with("mailto:")).then_some(target)
}

fn resolves(root: &Path, files: &[TextFile], page: &TextFile, link: &str) -> bool {
    let (path, heading) = link.split_once('#').map_or((link, None), |(path, heading)| (path, Some(heading)));
    let Some(path) = (if path.is_empty() { Some(page.path.clone()) } else { join(&page.path, path) }) else {
        return false;
    };
    let Some(heading) = heading.filter(|_| is_page(&path)) else { return root.join(&path).exists() };
    files.iter().find(|file| file.path == path).is_some_and(|file| anchors(&file.text).iter().any(|a| a == heading))
}

/// `../x.md` seen from `docs/a/b.md` is `docs/x.md`; `None` for what leaves the repository.
fn join(page: &str, link: &str) -> Option<String> {
    let mut parts: Vec<_> = page.split('/').collect();
    parts.pop();
    if link.starts_with('/') {
        return None;
    }
    for part in link.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// What the headings of a page are linked by, as forges do it; and anchors that are set by hand.
fn anchors(text: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in prose(text) {
        let by_hand = line.split("<a ").skip(1).filter_map(|rest| rest.split('"').nth(1));
        found.extend(by_hand.map(str::to_owned));
        let Some(heading) = line.starts_with('#').then(|| line.trim_start_matches('#')).filter(|h| h.starts_with(' '))
        else {
            continue;
        };
        let kept = |c: char| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c => c.is_alphanumeric().then_some(c),
        };
        let slug: String = heading.trim().to_lowercase().chars().filter_map(kept).collect();
        let again = (1..).map(|n| format!("{slug}-{n}"));
        found.extend(std::iter::once(slug.clone()).chain(again).find(|one| !found.contains(one)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, text: &str) -> TextFile {
        TextFile { path: path.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn links_are_read_from_prose_only() {
        let text = "[a](b.md) and [`c`](d.md#e \"title\"), [x](https://example.org/y)\n\
                    ```\n[no](code.md)\n```\nan `[no](inline.md)` one\n[ref]: <f.md>\n![picture](g.svg)\n";
        assert_eq!(links(text), ["b.md", "d.md#e", "f.md", "g.svg"]);
    }

    #[test]
    fn headings_are_linked_as_forges_do() {
        let text = "# The `code` of a refusal, again!\n## Twice\n## Twice\n#no\n<a id=\"by_hand\"></a>\n";
        assert_eq!(anchors(text), ["the-code-of-a-refusal-again", "twice", "twice-1", "by_hand"]);
    }

    #[test]
    fn a_link_to_nothing_is_found() {
        let root = std::env::temp_dir().join(format!("doorwarden-xtask-links-{}", std::process::id()));
        std::fs::create_dir_all(root.join("docs")).unwrap();
        std::fs::write(root.join("docs/b.md"), "# Here\n").unwrap();
        let text = "[1](docs/b.md) [2](docs) [3](docs/b.md#here) [4](#top) [5](docs/c.md) [6](docs/b.md#there) [7](../x) [8](#nowhere)";
        let files = [
            page("a.md", &format!("# Top\n{text}\n")),
            page("docs/README.md", "[b](b.md)"),
            page("docs/b.md", "# Here\n[up](../a.md#top)\n"),
        ];
        std::fs::write(root.join("a.md"), &files[0].text).unwrap();
        let found = check(&root, &files);
        std::fs::remove_dir_all(&root).unwrap();
        let broken = |link: &str| format!("a.md links to {link}, which isn't there");
        assert_eq!(found, ["docs/c.md", "docs/b.md#there", "../x", "#nowhere"].map(broken));
    }

    #[test]
    fn a_page_of_docs_that_its_index_leaves_out_is_found() {
        let docs = |index: &str| [page("docs/x/README.md", index), page("docs/x/new.md", ""), page("other/y.md", "")];
        assert_eq!(check(Path::new("."), &docs("")), ["docs/x/new.md isn't in docs/x/README.md"]);
        let outside = check(Path::new("."), &docs("[new](new.md)"));
        assert_eq!(outside, ["docs/x/README.md links to new.md, which isn't there"], "only the disk lacks it");
    }
}
