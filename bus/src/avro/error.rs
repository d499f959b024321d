//! What can go wrong between a process and the schema registry.

/// An error of the schema registry. Messages name its address and, where there is one, the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Avro is wanted without a registry.
    #[error(
        "kafka.format is \"avro\", but no schema registry is set: write its address in kafka.schema_registry.url, or \
         set kafka.format to \"json\""
    )]
    NotSet,
    /// A setting can't be used.
    #[error(
        "the client of the schema registry at {url} can't be made from the settings in section \
         [kafka.schema_registry]: {reason}"
    )]
    Config {
        /// Root of its API.
        url: String,
        /// What is wrong.
        reason: String,
    },
    /// It did not answer, or said that it can't at the moment.
    #[error(
        "the schema registry does not answer at {url} ({reason}); is it up (`TAPEWIRE_STACK_REGISTRY=1 make stack` \
         starts a local one)?"
    )]
    Unreachable {
        /// Root of its API.
        url: String,
        /// What the client or the registry said.
        reason: String,
    },
    /// It refused the user, the password or the token.
    #[error(
        "the schema registry at {url} refuses the login ({reason}): check kafka.schema_registry.user, and the password \
         or the token in the file that kafka.schema_registry.password_file or token_file names"
    )]
    Login {
        /// Root of its API.
        url: String,
        /// What the registry said.
        reason: String,
    },
    /// Its certificate is not trusted, or is that of another host.
    #[error(
        "the certificate of the schema registry at {url} is not accepted ({reason}): its authority has to be in the \
         file that kafka.schema_registry.ca_file names, and the host name of the address in the certificate, which has \
         to be valid now"
    )]
    Certificate {
        /// Root of its API.
        url: String,
        /// What OpenSSL said.
        reason: String,
    },
    /// What answers is not the API of a schema registry.
    #[error(
        "at {url} is no schema registry ({reason}): write the root of its API in kafka.schema_registry.url, as \
         http://HOST:8081, and of Apicurio as http://HOST:8080/apis/ccompat/v7"
    )]
    NotARegistry {
        /// The address in the settings.
        url: String,
        /// What it answered.
        reason: String,
    },
    /// A schema of this build was not registered.
    #[error(
        "the schema registry at {url} does not have this build's schema of {subject}; `tapewire migrate` registers it"
    )]
    NotRegistered {
        /// Root of its API.
        url: String,
        /// Name under which the schema belongs there.
        subject: String,
    },
    /// A schema of this build is not compatible with one that is registered.
    #[error(
        "the schema registry at {url} refuses this build's schema of {subject}, because it is not compatible with one \
         that is registered there ({reason}): use a build whose schema is, or another kafka.prefix, which has subjects \
         of its own"
    )]
    Incompatible {
        /// Root of its API.
        url: String,
        /// Name of the schemas of one topic.
        subject: String,
        /// What the registry said.
        reason: String,
    },
    /// It refused a request for another reason.
    #[error("the schema registry at {url} refused {request}: {reason}")]
    Refused {
        /// Root of its API.
        url: String,
        /// What it was asked for.
        request: String,
        /// What it said.
        reason: String,
    },
}

impl RegistryError {
    /// Whether a retry can succeed.
    pub fn is_retryable(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }

    /// Whether a setting has to be changed.
    pub fn is_setting(&self) -> bool {
        matches!(self, Self::NotSet | Self::Config { .. } | Self::NotARegistry { .. })
    }
}
