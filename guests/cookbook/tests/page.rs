//! The page shows the code that was tested, word by word.

use std::fs;
use std::path::Path;

#[test]
fn every_recipe_stands_on_the_page_as_it_was_tested() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("../../docs/cookbook.md")).expect("the page");
    let mut recipes = 0;
    for entry in fs::read_dir(root.join("src")).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.ends_with("lib.rs") {
            continue;
        }
        let source = fs::read_to_string(&path).expect("a source");
        let shown = source.split("#[cfg(test)]").next().expect("it begins somewhere").trim_end();
        assert!(page.contains(&format!("```rust\n{shown}\n```\n")), "{} is not on the page as it is", path.display());
        recipes += 1;
    }
    assert_eq!((recipes, page.matches("```rust\n").count()), (10, 10), "a recipe on the page was not tested");
}
