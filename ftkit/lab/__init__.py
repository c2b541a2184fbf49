"Widgets and the JupyterLab server: views over runs."
