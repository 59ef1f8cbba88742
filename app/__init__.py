"""The app: screens over a bundle. `streamlit run app/serve.py`."""
