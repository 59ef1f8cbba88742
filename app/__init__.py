"""The app: screens over a bundle. `streamlit run app/main.py`."""
