select run, symbol, width_s, start, open, high, low, close, volume
from {{ source('tapewire', 'bars') }} final
