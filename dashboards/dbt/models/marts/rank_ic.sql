{{ by_run('information_coefficient') }}
