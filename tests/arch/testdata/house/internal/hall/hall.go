package hall

import _ "example.com/pipes/v2"
