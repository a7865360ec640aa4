//! How large an object is: two files of a megabyte could ask for a graph of many gigabytes.

use super::graph::Recipe;
use super::holds::Hold;
use super::recipes::Settings;

/// What an object of few words takes: its tables, the nodes of the maps around it.
const OBJECT_SIZE: usize = 2048;

/// What an object weighs before anything is made of it: what its tables say.
pub fn weight_of_settings(settings: &Settings<'_>) -> usize {
    const EACH: usize = 64;
    let env: usize = settings.env.iter().map(|(name, value)| EACH + name.len() + value.len()).sum();
    env + EACH * settings.after.as_ref().map_or(0, |(after, _)| after.len())
}

/// What it weighs then.
pub fn weight(recipe: &Recipe, holds: &[Hold]) -> usize {
    const EACH: usize = 24;
    let command: usize = recipe.command.iter().map(|word| EACH + word.len()).sum();
    let env: usize = recipe.env.iter().map(|(name, value)| 2 * EACH + name.len() + value.len()).sum();
    let directories: usize = recipe.directories.iter().map(|one| EACH + one.as_os_str().len()).sum();
    let notes: usize = holds.iter().filter_map(|hold| hold.note.as_ref()).map(String::len).sum();
    let words = recipe.words.as_ref().map_or(0, |words| words.text.len());
    OBJECT_SIZE + command + env + directories + notes + words
}
