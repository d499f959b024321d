{{ by_run('mean_outcome') }}
