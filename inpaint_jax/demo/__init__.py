"""The web page for inpainting; needs the extra [demo].

Its settings are flags. Gradio's own settings, environment variables that could
share the page, open folders or count visits, are removed before Gradio is
imported.
"""

import os

for _name in [name for name in os.environ if name.startswith('GRADIO_')]:
  del os.environ[_name]
os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'
