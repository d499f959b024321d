//! The meaning of a model's outputs.

use crate::SentimentError;

/// The model's output index of each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Classes {
    /// Good news.
    pub positive: usize,
    /// Neither good nor bad news.
    pub neutral: usize,
    /// Bad news.
    pub negative: usize,
}

impl Classes {
    /// A text's logits in the order positive, neutral, negative.
    pub fn pick(&self, logits: &[f32]) -> [f32; 3] {
        [self.positive, self.neutral, self.negative].map(|class| logits[class])
    }

    /// Finds the classes among the model's labels, in any order and case. `map` renames labels first:
    /// `LABEL_0=positive, LABEL_1=negative, LABEL_2=neutral`.
    ///
    /// # Errors
    /// [`SentimentError::Labels`] unless the labels are exactly these three, once each.
    pub fn find(labels: &[String], map: Option<&str>) -> Result<Self, SentimentError> {
        let error = |problem: String| SentimentError::Labels { found: labels.join(", "), problem };
        let renamed = match map {
            None => labels.to_vec(),
            Some(map) => rename(labels, map).map_err(error)?,
        };
        let index = |class: &str| {
            let mut found = renamed.iter().enumerate().filter(|(_, label)| label.trim().eq_ignore_ascii_case(class));
            match (found.next(), found.next()) {
                (Some((index, _)), None) => Ok(index),
                (None, _) => Err(error(format!("no label is `{class}`"))),
                _ => Err(error(format!("`{class}` occurs twice"))),
            }
        };
        let classes = Self { positive: index("positive")?, neutral: index("neutral")?, negative: index("negative")? };
        if labels.len() != 3 {
            return Err(error(format!("there are {} classes instead of three", labels.len())));
        }
        Ok(classes)
    }
}

fn rename(labels: &[String], map: &str) -> Result<Vec<String>, String> {
    let mut renamed = labels.to_vec();
    for pair in map.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (from, to) =
            pair.split_once('=').ok_or_else(|| format!("`{}` in the label map is not LABEL=CLASS", pair.trim()))?;
        let index = labels
            .iter()
            .position(|label| label.trim().eq_ignore_ascii_case(from.trim()))
            .ok_or_else(|| format!("the label map names `{}`, which the model does not have", from.trim()))?;
        to.trim().clone_into(&mut renamed[index]);
    }
    Ok(renamed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(labels: &[&str], map: Option<&str>) -> Result<Classes, String> {
        let labels: Vec<String> = labels.iter().map(|&label| label.into()).collect();
        Classes::find(&labels, map).map_err(|error| error.to_string())
    }

    #[test]
    fn labels_may_have_any_order_and_case() {
        let classes = |positive, neutral, negative| Ok(Classes { positive, neutral, negative });
        assert_eq!(find(&["positive", "negative", "neutral"], None), classes(0, 2, 1));
        assert_eq!(find(&["Neutral", "POSITIVE", "Negative"], None), classes(1, 0, 2));
        let map = "label_1 = positive, LABEL_0=negative,LABEL_2=neutral,";
        assert_eq!(find(&["LABEL_0", "LABEL_1", "LABEL_2"], Some(map)), classes(1, 2, 0));
        assert_eq!(
            find(&["Bearish", "Bullish", "Neutral"], Some("Bearish=negative,Bullish=positive")),
            classes(1, 2, 0)
        );
    }

    #[test]
    fn unknown_labels_are_refused_by_name() {
        for (labels, map, expected) in [
            (&["LABEL_0", "LABEL_1", "LABEL_2"][..], None, "LABEL_0, LABEL_1, LABEL_2"),
            (&["positive", "negative"], None, "no label is `neutral`"),
            (&["positive", "negative", "neutral", "mixed"], None, "4 classes"),
            (&["positive", "positive", "neutral"], None, "`positive` occurs twice"),
            (&["A", "B", "C"], Some("D=positive"), "`D`"),
            (&["A", "B", "C"], Some("A:positive"), "`A:positive`"),
        ] {
            let error = find(labels, map).unwrap_err();
            assert!(error.contains(expected) && error.contains("labels ="), "{error}");
        }
    }
}
