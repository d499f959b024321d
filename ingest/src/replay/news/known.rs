//! The names by which the fields of an article are known.

use crate::replay::names::{Index, Role};
use crate::replay::zones;
use std::sync::LazyLock;

/// The roles of an article's fields, with the names that Massive, Alpaca, Finnhub, Alpha Vantage, Tiingo, Yahoo,
/// Marketaux, NewsAPI and others give them.
const ROLES: &[Role] = &[
    Role { name: "id", others: &["article_id", "news_id", "story_id", "uuid", "guid", "uid"] },
    Role { name: "title", others: &["headline", "article_title", "news_title", "heading"] },
    Role { name: "description", others: DESCRIPTION },
    Role { name: "symbols", others: SYMBOLS },
    Role { name: "published_at", others: PUBLISHED_AT },
    Role { name: zones::ROLE, others: zones::NAMES },
    Role { name: "updated_at", others: UPDATED_AT },
    Role { name: "received_at", others: RECEIVED_AT },
    Role {
        name: "publisher",
        others: &["source", "source_name", "provider", "site", "news_source", "source_domain", "domain"],
    },
    Role { name: "author", others: &["authors", "byline", "creator", "article_author"] },
    Role {
        name: "url",
        others: &["link", "article_url", "news_url", "canonical_url", "click_through_url", "permalink"],
    },
    Role { name: "keywords", others: &["tags", "topics", "categories", "channels"] },
];

#[rustfmt::skip]
const DESCRIPTION: &[&str] = &[
    "summary", "teaser", "snippet", "abstract", "excerpt", "text", "body", "content", "article", "full_text",
];

#[rustfmt::skip]
const SYMBOLS: &[&str] = &[
    "tickers", "symbol", "ticker", "related", "related_tickers", "related_symbols", "stocks", "stock", "stock_symbol",
    "stock_tickers", "ticker_sentiment", "entities", "instruments", "securities", "companies",
];

#[rustfmt::skip]
const PUBLISHED_AT: &[&str] = &[
    "published_ms", "published_utc", "published", "published_date", "published_on", "publication_date",
    "publish_date", "publish_time", "pub_date", "date_published", "provider_publish_time", "time_published",
    "created_at", "created", "datetime", "display_time", "timestamp", "seen_date", "date", "time",
];

/// When the text was last edited. Of several, the latest counts.
#[rustfmt::skip]
const UPDATED_AT: &[&str] = &[
    "updated", "updated_utc", "updated_ms", "updated_on", "updated_time", "updated_date", "updated_datetime",
    "updated_timestamp", "update_time", "update_date", "update_datetime", "update_timestamp", "date_updated",
    "time_updated", "last_update", "last_update_time", "last_update_date", "last_updated", "last_updated_at",
    "last_updated_on", "last_updated_time", "last_updated_date", "latest_update", "modified", "modified_at",
    "modified_on", "modified_time", "modified_date", "modified_datetime", "modification_time", "modification_date",
    "date_modified", "time_modified", "lastmod", "last_modified", "last_modified_at", "last_modified_on",
    "last_modified_time", "last_modified_date", "edited", "edited_at", "edited_on", "edited_time", "edited_date",
    "edit_time", "edit_date", "date_edited", "last_edit", "last_edited", "last_edited_at", "revised", "revised_at",
    "revised_on", "revised_date", "revision_time", "revision_date", "date_revised", "last_revised", "corrected",
    "corrected_at", "corrected_on", "correction_time", "correction_date", "date_corrected", "version_created",
    "version_created_at", "version_time", "version_date", "version_timestamp", "changed", "changed_at", "changed_on",
    "date_changed", "last_changed", "last_changed_at", "amended", "amended_at",
];

/// When the provider, or a program that collects news, first had the article. Of several, the latest counts.
#[rustfmt::skip]
const RECEIVED_AT: &[&str] = &[
    "received", "received_utc", "received_ms", "received_on", "received_time", "received_date", "received_timestamp",
    "receive_time", "receive_date", "receipt_time", "time_received", "date_received", "timestamp_received",
    "available_at", "arrival_time", "arrived_at", "first_seen", "first_seen_at", "crawl_date", "crawl_time",
    "crawl_datetime", "crawl_timestamp", "crawled", "crawled_at", "crawled_on", "crawled_date", "date_crawled",
    "fetch_time", "fetch_date", "fetched", "fetched_at", "fetched_on", "date_fetched", "retrieval_time",
    "retrieval_date", "retrieved", "retrieved_at", "retrieved_on", "date_retrieved", "scrape_time", "scrape_date",
    "scrape_datetime", "scrape_timestamp", "scraped", "scraped_at", "scraped_on", "scraped_time", "scraped_date",
    "date_scraped", "time_scraped", "download_time", "download_date", "downloaded", "downloaded_at", "downloaded_on",
    "date_downloaded", "collection_time", "collection_date", "collected", "collected_at", "collected_on",
    "date_collected", "discovered_at", "ingest_time", "ingest_date", "ingest_timestamp", "ingestion_time",
    "ingestion_date", "ingestion_timestamp", "ingested", "ingested_at", "ingested_on", "insert_time", "insert_date",
    "inserted", "inserted_at", "inserted_on", "date_inserted", "index_time", "indexed", "indexed_at", "indexed_on",
    "date_indexed", "capture_time", "capture_date", "captured", "captured_at", "captured_on", "date_captured",
    "recorded_at", "stored_at", "saved_at", "added", "added_at", "added_on", "added_date", "date_added", "time_added",
];

pub(super) static INDEX: LazyLock<Index> = LazyLock::new(|| Index::new(ROLES));

/// Other fields that these providers send. They hold neither text nor companies.
#[rustfmt::skip]
pub(super) const IGNORED: &[&str] = &[
    "", "unnamed0", "index", "t", "type", "contenttype", "category", "categorywithinsource", "image", "images",
    "imageurl", "urltoimage", "bannerimage", "thumbnail", "ampurl", "lang", "language", "country", "region",
    "insights", "sentiment", "overallsentimentscore", "overallsentimentlabel", "score", "relevancescore",
    "haspaywall", "similar", "metadata", "storyline", "previewurl", "bypassmodal", "ishosted", "revision",
];
