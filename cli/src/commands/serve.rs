//! `tapewire serve`: the model over HTTP.

use crate::config::Config;
use crate::roles;
use clap::Args;
use tapewire_runtime::{Shutdown, Telemetry};
use tapewire_sentiment::companies::Companies;
use tapewire_sentiment::http::{self, Api};

/// Serves the model over HTTP until SIGINT or SIGTERM, then answers what it has accepted.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tapewire serve\n  tapewire serve --listen 127.0.0.1:9000 --set model=ProsusAI/finbert\n  \
    curl -s 127.0.0.1:8080/predict -H 'content-type: application/json' -d '{\"inputs\": \"Profit doubled\"}'\n  \
    curl -s 127.0.0.1:8080/v1/score -H 'content-type: application/json' \\\n    \
    -d '{\"inputs\": [{\"text\": \"Apple gains as Microsoft slips\", \"companies\": [\"AAPL\", \"Microsoft\"]}]}'\n\n\
    /openapi.json describes all routes; /health, /ready and /metrics are there, too. The settings' section is [serve].\n\
    There is no authentication: beyond loopback, put a proxy in front that has one."
)]
pub struct Serve {
    /// Where to listen [default: serve.listen, 127.0.0.1:8080]
    #[arg(long, value_name = "ADDRESS")]
    listen: Option<String>,
}

impl Serve {
    pub async fn run(self, mut config: Config, shutdown: Shutdown) -> anyhow::Result<()> {
        if let Some(address) = self.listen {
            config.serve.listen = address;
        }
        // Before the model is loaded: an address in use is said at once.
        let listener = http::listen(&config.serve.listen).await?;
        let telemetry = Telemetry::install()?;
        let companies = Companies::load(config.sentiment.companies.as_deref())?;
        let api = Api::new(roles::load_model(&config).await?, companies, &config.serve);
        Ok(http::serve(listener, api, telemetry, &config.serve, shutdown).await?)
    }
}
